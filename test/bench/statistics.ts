/** The middle value; of an even number of values the upper one of the two in the middle. 0 for none. */
export const median = (values: readonly number[]): number => sorted(values)[values.length >> 1] ?? 0;

/** The value that `share` (0 to 1) of all values do not exceed (nearest rank). 0 for none. */
export const percentile = (values: readonly number[], share: number): number =>
  sorted(values)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0;

/** Least squares through (x, y): how much y grows per unit of x. 0 for fewer than two points or for equal x. */
export const slope = (points: readonly (readonly [x: number, y: number])[]): number => {
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
};

/** A stream of numbers in [0, 1) that is the same for the same seed (mulberry32). */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const sorted = (values: readonly number[]): readonly number[] => [...values].sort((a, b) => a - b);
