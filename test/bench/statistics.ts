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

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const sorted = (values: readonly number[]): readonly number[] => [...values].sort((a, b) => a - b);
