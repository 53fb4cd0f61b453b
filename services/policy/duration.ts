const UNIT_MICROS: Readonly<Record<string, number>> = {
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};
/** A year: whatever is longer is no window. */
const MICROS_MAX = 365 * 86_400_000_000;

/** Microseconds of `500ms`, `30s`, `10m`, `6h`, `1d`; null when the text is no such duration or longer than a year. */
export const durationMicros = (text: string): number | null => {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const micros = Number(match?.[1]) * (UNIT_MICROS[match?.[2] ?? ''] ?? Number.NaN);
  return match === null || micros > MICROS_MAX ? null : micros;
};
