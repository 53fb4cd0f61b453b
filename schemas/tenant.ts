/** Header that names the tenant, over HTTP, gRPC metadata and Kafka alike. */
export const TENANT_HEADER = 'x-tacho-tenant';
/** Header our receiver sets on Kafka records; ignored on records of foreign producers unless their source allows it. */
export const VANTAGE_HEADER = 'x-tacho-vantage';
export const DEFAULT_TENANT = 'default';

/** Letters, digits and `.@_-`, at most 64: safe in keys (`tenant|run_key`), paths and labels. */
export const isTenant = (text: string): boolean => /^[A-Za-z0-9.@_-]{1,64}$/.test(text);
/**
 * Whole milliseconds to add to every time of the rows made from a request or record (may be negative). Used by
 * `tacho import --now`: the bytes, and with them every identity, stay as recorded, so a second import is recognised.
 */
export const TIME_SHIFT_HEADER = 'x-tacho-time-shift-ms';
/** Bound of the shift: ± 100 years. Anything else is refused. */
const TIME_SHIFT_MS_MAX = 100 * 366 * 86_400_000;

/** Whole milliseconds within the bound. */
export const isTimeShift = (text: string): boolean =>
  /^-?\d{1,15}$/.test(text) && Math.abs(Number(text)) <= TIME_SHIFT_MS_MAX;
