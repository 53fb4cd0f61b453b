import type { ByteSink } from './byte-sink.ts';
import type { ScalarType } from './column-type.ts';
import { scaledDecimal } from './scaled-decimal.ts';
import { UnfitValueError } from './unfit-value.ts';
import { utcTicks } from './utc-ticks.ts';

type Writer<Kind extends ScalarType['kind']> = (
  sink: ByteSink,
  type: Extract<ScalarType, { kind: Kind }>,
  values: readonly unknown[],
) => void;

/** Writes the values of a plain column. Throws UnfitValueError. */
export const writeScalars = (sink: ByteSink, type: ScalarType, values: readonly unknown[]): void =>
  (WRITERS[type.kind] as Writer<ScalarType['kind']>)(sink, type, values);

const WRITERS: { readonly [Kind in ScalarType['kind']]: Writer<Kind> } = {
  string: (sink, _type, values) => sink.texts(isTexts(values) ? values : values.map(textOf)),
  int: (sink, type, values) => {
    for (const value of values) writeInteger(sink, type.bits, type.isSigned, value);
  },
  float64: (sink, _type, values) => {
    for (const value of values) sink.f64(floatOf(value));
  },
  bool: (sink, _type, values) => {
    for (const value of values) sink.u8(boolOf(value));
  },
  datetime: (sink, _type, values) => {
    for (const value of values) sink.u32(secondsOf(value));
  },
  datetime64: (sink, type, values) => writeTicks(sink, type.scale, values),
  decimal128: (sink, type, values) => {
    for (const value of values) writeDecimal(sink, type.scale, value);
  },
};

/** What stands in a plain column in the places of nulls. */
export const BLANKS: Readonly<Record<ScalarType['kind'], unknown>> = {
  string: '',
  int: 0,
  float64: 0,
  bool: false,
  datetime: 0,
  datetime64: '1970-01-01 00:00:00',
  decimal128: '0',
};

const isTexts = (values: readonly unknown[]): values is readonly string[] => {
  for (const value of values) if (typeof value !== 'string') return false;
  return true;
};

/** Text as it is; whole numbers where a column of text keeps them. Throws UnfitValueError. */
export const textOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  throw new UnfitValueError('String', value);
};

const floatOf = (value: unknown): number => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new UnfitValueError('Float64', value);
  return value;
};

const boolOf = (value: unknown): 0 | 1 => {
  if (value === true || value === 1) return 1;
  if (value === false || value === 0) return 0;
  throw new UnfitValueError('Bool', value);
};

const INTEGER_TEXT = /^-?\d{1,20}$/;
const SAFE_TEXT_CHARS = 15;

const writeInteger = (sink: ByteSink, bits: 8 | 16 | 32 | 64, isSigned: boolean, value: unknown): void => {
  const integer = integerOf(value);
  if (integer === null || !isWithin(integer, bits, isSigned))
    throw new UnfitValueError(`${isSigned ? '' : 'U'}Int${bits}`, value);
  if (typeof integer === 'bigint') sink.big64(integer);
  else if (bits === 64) sink.i64(integer);
  else if (bits === 32) sink.u32(integer);
  else if (bits === 16) sink.u16(integer);
  else sink.u8(integer);
};

/** A safe integer as a number, a longer one as a bigint; null when it is none. */
const integerOf = (value: unknown): number | bigint | null => {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'string' || !INTEGER_TEXT.test(value)) return null;
  return value.length <= SAFE_TEXT_CHARS ? Number(value) : BigInt(value);
};

const isWithin = (integer: number | bigint, bits: number, isSigned: boolean): boolean => {
  if (bits < 64 || typeof integer === 'number') {
    const number = Number(integer);
    if (bits === 64) return isSigned || number >= 0;
    return isSigned ? number >= -(2 ** (bits - 1)) && number < 2 ** (bits - 1) : number >= 0 && number < 2 ** bits;
  }
  return (isSigned ? BigInt.asIntN(64, integer) : BigInt.asUintN(64, integer)) === integer;
};

const SECONDS_MAX = 0xffff_ffff;

const secondsOf = (value: unknown): number => {
  const seconds = typeof value === 'string' ? utcTicks(value, 0) : value;
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 0 || seconds > SECONDS_MAX)
    throw new UnfitValueError('DateTime', value);
  return seconds;
};

/** Neighbouring rows mostly have the same time of the log: the last text is read once. */
const writeTicks = (sink: ByteSink, scale: number, values: readonly unknown[]): void => {
  let lastValue: unknown = null;
  let last: number | bigint = 0;
  for (const value of values) {
    if (value !== lastValue) {
      const ticks = typeof value === 'string' ? utcTicks(value, scale) : wholeTicks(value);
      if (ticks === null) throw new UnfitValueError(`DateTime64(${scale})`, value);
      lastValue = value;
      last = ticks;
    }
    if (typeof last === 'number') sink.i64(last);
    else sink.big64(last);
  }
};

/** Ticks of the column, counted already. */
const wholeTicks = (value: unknown): number | bigint | null => {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : null;
  return typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? value : null;
};

const DECIMAL_MAX = 10n ** 38n;

const writeDecimal = (sink: ByteSink, scale: number, value: unknown): void => {
  const text = typeof value === 'string' ? value : typeof value === 'number' ? decimalText(value) : '';
  const scaled = scaledDecimal(text, scale);
  if (scaled === null) throw new UnfitValueError(`Decimal(38, ${scale})`, value);
  if (typeof scaled === 'number') {
    sink.i64(scaled);
    sink.i64(scaled < 0 ? -1 : 0);
    return;
  }
  if (scaled >= DECIMAL_MAX || scaled <= -DECIMAL_MAX) throw new UnfitValueError(`Decimal(38, ${scale})`, value);
  sink.big64(scaled);
  sink.big64(scaled >> 64n);
};

/** Money comes as text; whole numbers are exact as they are. */
const decimalText = (value: number): string => (Number.isSafeInteger(value) ? String(value) : '');
