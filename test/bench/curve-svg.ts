/** Lines over time, drawn without a library: for a page of docs. */

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [second: number, value: number])[];
}

const WIDTH = 720;
const HEIGHT = 260;
const LEFT = 56;
const RIGHT = 150;
const TOP = 34;
const BOTTOM = 30;
const STEPS = 4;
/** Colours that colour-blind people tell apart (Okabe and Ito), on light and dark ground alike. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#8c6d31', '#b0a000'];

/** An SVG of the curves with axes from zero; names stand at the ends of their lines. */
export const curveSvg = (title: string, unit: string, curves: readonly Curve[]): string => {
  const endSecond = Math.max(1, ...curves.flatMap(({ points }) => points.map(([second]) => second)));
  const top = niceTop(Math.max(1, ...curves.flatMap(({ points }) => points.map(([, value]) => value))));
  const x = (second: number): number => LEFT + (second / endSecond) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const grid = Array.from({ length: STEPS + 1 }, (_, at) => (top / STEPS) * at).map(
    (value) =>
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#8884"/>` +
      `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end">${Math.round(value)}</text>`,
  );
  const ends = spread(curves.map(({ points }) => y(points.at(-1)?.[1] ?? 0)));
  const lines = curves.map(({ name, points }, at) => {
    const colour = COLOURS[at % COLOURS.length];
    const path = points.map(([second, value]) => `${x(second).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    return (
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>` +
      `<text x="${WIDTH - RIGHT + 6}" y="${(ends[at] ?? 0) + 4}" fill="${colour}">${escaped(name)}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="11" fill="#777">`,
    `<text x="${LEFT}" y="18" font-size="13">${escaped(title)} (${unit})</text>`,
    ...grid,
    `<text x="${LEFT}" y="${HEIGHT - 8}">0</text>`,
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - 8}" text-anchor="end">${(endSecond / 60).toFixed(1)} min</text>`,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
};

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** The next 1, 2, 4 or 8 times a power of ten: quarters of it are round as well. */
const niceTop = (highest: number): number => {
  const power = 10 ** Math.floor(Math.log10(highest));
  return power * ([1, 2, 4, 8].find((factor) => power * factor >= highest) ?? 10);
};

/** Labels that would lie on each other move apart, downwards from the highest. */
const spread = (heights: readonly number[]): readonly number[] => {
  const LINE = 13;
  const order = heights.map((height, at) => ({ height, at })).sort((a, b) => a.height - b.height);
  const moved = [...heights];
  let last = Number.NEGATIVE_INFINITY;
  for (const { height, at } of order) {
    last = Math.max(height, last + LINE);
    moved[at] = last;
  }
  return moved;
};
