/** Milliseconds since 1970 as ClickHouse reads a DateTime64(3, 'UTC'): `YYYY-MM-DD hh:mm:ss.mmm`. */
export const utcMillis = (ms: number): string => new Date(ms).toISOString().slice(0, 23).replace('T', ' ');
