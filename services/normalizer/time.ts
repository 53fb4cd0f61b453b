const NANOS_PER_SECOND = 1_000_000_000n;
const SECONDS_PER_DAY = 86_400;
/** Times a DateTime64(9) holds with room to spare: 1971-01-01 … 2261-12-31T23:59:59.999999999 (design 9). */
export const TS_NANO_MIN = 31_536_000n * NANOS_PER_SECOND;
export const TS_NANO_MAX = 9_214_646_400n * NANOS_PER_SECOND - 1n;
/** Largest number whose zigzag form a double holds exactly, the year 2112: later, the step says this and the row the truth. */
const MICROS_MAX = 4_503_599_627_370_495n;
/** A ClickHouse DateTime ends in 2106; later hours are all said to be the last one. */
const HOUR_SECONDS_MAX = 4_294_965_600;

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

/**
 * Year, month and day of a count of days since 1970 in the proleptic Gregorian calendar (Howard Hinnant,
 * "chrono-compatible low-level date algorithms", civil_from_days). `Date` would round to milliseconds.
 */
const civilDate = (days: number): string => {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const doe = z - era * 146_097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const day = doy - Math.floor((153 * mp + 2) / 5) + 1;
  const month = mp < 10 ? mp + 3 : mp - 9;
  const year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
};

const secondsText = (seconds: number): string => {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const rest = seconds - days * SECONDS_PER_DAY;
  return `${civilDate(days)} ${pad(Math.floor(rest / 3600), 2)}:${pad(Math.floor(rest / 60) % 60, 2)}:${pad(rest % 60, 2)}`;
};

/** Nanoseconds since 1970 as ClickHouse reads a DateTime64(9, 'UTC'): `YYYY-MM-DD hh:mm:ss.nnnnnnnnn`. */
export const nanosText = (nanos: bigint): string =>
  `${secondsText(Number(nanos / NANOS_PER_SECOND))}.${String(nanos % NANOS_PER_SECOND).padStart(9, '0')}`;

/** Microseconds since 1970, within what Avro and a double hold exactly. */
export const microsOf = (nanos: bigint): number => {
  const micros = nanos / 1000n;
  return Number(micros > MICROS_MAX ? MICROS_MAX : micros);
};

/** Start of the hour in unix seconds, for the roll-ups. */
export const hourOf = (nanos: bigint): number =>
  Math.min(HOUR_SECONDS_MAX, Number(nanos / (3600n * NANOS_PER_SECOND)) * 3600);

/** When a step was, as stored. */
export interface StepTime {
  readonly startNano: bigint;
  readonly durationNano: bigint;
  readonly flags: readonly string[];
  /** What the sender said, when it was clamped; null otherwise. */
  readonly originalNano: bigint | null;
}

/**
 * Start and duration within what the table holds. A start outside 1971–2261 is clamped and flagged `ts_clamped`; an
 * end before its start gives duration 0 and `negative_duration`; `shiftNano` is added to both first (demo imports).
 */
export const stepTime = (startNano: bigint, endNano: bigint, shiftNano: bigint): StepTime => {
  const start = startNano + shiftNano;
  const clamped = start < TS_NANO_MIN ? TS_NANO_MIN : start > TS_NANO_MAX ? TS_NANO_MAX : start;
  const isClamped = clamped !== start;
  // Of a start that is nonsense no duration follows; an end of 0 was never set (a span still open).
  const length = isClamped || endNano === 0n ? 0n : endNano - startNano;
  const flags = [...(isClamped ? ['ts_clamped'] : []), ...(length < 0n ? ['negative_duration'] : [])];
  return {
    startNano: clamped,
    durationNano: length < 0n ? 0n : length,
    flags: endNano === 0n ? [...flags, 'no_end'] : flags,
    originalNano: isClamped ? startNano : null,
  };
};
