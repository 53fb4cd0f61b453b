// Draws spend over time as stacked bars (uPlot): zero-based, one colour a model, what is under the cursor in words.

const host = document.getElementById('spend');
const data = JSON.parse(document.getElementById('spend-data')?.textContent ?? 'null');

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colourOf = (series) => token(series.colour === null ? '--other' : `--s${series.colour}`);
const usd = (value) => {
  if (value === 0) return '$0';
  const digits = value >= 10 ? 0 : Math.min(8, Math.max(2, 2 - Math.floor(Math.log10(value))));
  return `$${value.toLocaleString('en-US', { minimumFractionDigits: Math.min(2, digits), maximumFractionDigits: digits })}`;
};
const pad = (value) => String(value).padStart(2, '0');
const label = (seconds) => {
  const at = new Date(seconds * 1000);
  const day = `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())}`;
  return data.bucketSeconds >= 86400 ? day : `${day} ${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())} UTC`;
};

// Sums from the bottom up; the highest sum is drawn first, so that every bar shows only its own part.
const stacked = () => {
  const sums = [];
  let below = data.times.map(() => 0);
  for (const series of data.series) {
    below = below.map((value, index) => value + series.values[index]);
    sums.push(below);
  }
  return sums.reverse();
};

const tip = document.createElement('div');
tip.className = 'tip';
tip.hidden = true;

const cell = (text) => {
  const found = document.createElement('td');
  found.textContent = text;
  return found;
};

const fillTip = (index) => {
  const table = document.createElement('table');
  const rows = data.series.map((series) => [series, series.values[index]]).filter(([, value]) => value > 0);
  const total = rows.reduce((sum, [, value]) => sum + value, 0);
  for (const [series, value] of [...rows].reverse()) {
    const row = table.insertRow();
    const name = cell(series.name);
    const swatch = document.createElement('span');
    swatch.className = `swatch ${series.colour === null ? 'other' : `s${series.colour}`}`;
    name.prepend(swatch);
    row.append(name, cell(usd(value)));
  }
  const head = document.createElement('strong');
  head.textContent = `${label(data.times[index])}  ${usd(total)}`;
  const unknown = data.unknownCalls[index];
  const note = document.createElement('div');
  note.className = 'warn';
  note.textContent = unknown > 0 ? `${unknown} calls without a cost` : '';
  tip.replaceChildren(head, table, note);
};

const onCursor = (plot) => {
  const index = plot.cursor.idx;
  tip.hidden = index === null || index === undefined || (plot.cursor.left ?? -1) < 0;
  if (tip.hidden) return;
  fillTip(index);
  const left = plot.cursor.left;
  const isRight = left > plot.over.clientWidth / 2;
  tip.style.left = `${isRight ? left - tip.offsetWidth - 14 : left + 14}px`;
  tip.style.top = '8px';
};

const draw = () => {
  const axis = {
    stroke: token('--quiet'),
    font: '12px system-ui',
    grid: { stroke: token('--line'), width: 1 },
    ticks: { show: false },
  };
  const half = data.bucketSeconds / 2;
  const plot = new window.uPlot(
    {
      width: host.clientWidth - 20,
      height: host.clientHeight,
      tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
      padding: [8, 8, 0, 0],
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      legend: { show: false },
      scales: {
        x: { range: () => [data.times[0] - half, data.times.at(-1) + half] },
        y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] },
      },
      axes: [
        { ...axis, size: 32, grid: { show: false }, ...timeAxis() },
        { ...axis, size: 64, values: (_plot, ticks) => ticks.map(usd) },
      ],
      series: [
        {},
        ...[...data.series].reverse().map((series) => ({
          label: series.name,
          fill: colourOf(series),
          stroke: colourOf(series),
          width: 0,
          points: { show: false },
          paths: window.uPlot.paths.bars({ size: [0.82, 48], radius: 0 }),
        })),
      ],
      hooks: { setCursor: [onCursor] },
    },
    [data.times, ...stacked()],
    host,
  );
  plot.over.append(tip);
  return plot;
};

const timeAxis = () => ({
  values: (_plot, ticks) =>
    ticks.map((seconds) => {
      const at = new Date(seconds * 1000);
      const isDay = at.getUTCHours() === 0 && at.getUTCMinutes() === 0;
      return isDay || data.bucketSeconds >= 86400
        ? at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
        : `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}`;
    }),
  space: 64,
});

if (host && data) {
  let plot = draw();
  const redraw = () => {
    plot.destroy();
    plot = draw();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  let width = host.clientWidth;
  new ResizeObserver(() => {
    if (host.clientWidth === width) return;
    width = host.clientWidth;
    plot.setSize({ width: width - 20, height: host.clientHeight });
  }).observe(host);
}
