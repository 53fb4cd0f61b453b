/** A type whose values stand one after the other, with nothing around them. */
export type ScalarType =
  | { readonly kind: 'string' }
  | { readonly kind: 'int'; readonly bits: 8 | 16 | 32 | 64; readonly isSigned: boolean }
  | { readonly kind: 'float64' }
  | { readonly kind: 'bool' }
  /** Seconds since 1970, 32 bits. */
  | { readonly kind: 'datetime' }
  /** Ticks of 10^-scale s since 1970, 64 bits. */
  | { readonly kind: 'datetime64'; readonly scale: number }
  /** An integer of 128 bits, 10^-scale each. */
  | { readonly kind: 'decimal128'; readonly scale: number };

/** A type of ClickHouse, as far as our tables use them. */
export type ColumnType =
  | ScalarType
  | { readonly kind: 'nullable'; readonly inner: ScalarType }
  /** Of text. */
  | { readonly kind: 'low_cardinality'; readonly isNullable: boolean }
  | { readonly kind: 'array'; readonly inner: ColumnType }
  | { readonly kind: 'tuple'; readonly names: readonly string[]; readonly inner: readonly ColumnType[] }
  | { readonly kind: 'map'; readonly key: ColumnType; readonly value: ColumnType };

const INTEGER = /^(U?)Int(8|16|32|64)$/;
const DATE_TIME = /^DateTime(?:\('[^']*'\))?$/;
const DATE_TIME_64 = /^DateTime64\((\d)(?:, ?'[^']*')?\)$/;
const DECIMAL = /^Decimal\((\d+), ?(\d+)\)$/;
const PARAMETRIC = /^(Nullable|LowCardinality|Array|Map|Tuple)\((.*)\)$/s;

/** Reads a type as `system.columns` words it; null for one we do not write. */
export const parseColumnType = (text: string): ColumnType | null => {
  const trimmed = text.trim();
  if (trimmed === 'String') return { kind: 'string' };
  if (trimmed === 'Float64') return { kind: 'float64' };
  if (trimmed === 'Bool') return { kind: 'bool' };
  const integer = INTEGER.exec(trimmed);
  if (integer !== null)
    return { kind: 'int', bits: Number(integer[2]) as 8 | 16 | 32 | 64, isSigned: integer[1] === '' };
  if (DATE_TIME.test(trimmed)) return { kind: 'datetime' };
  const ticks = DATE_TIME_64.exec(trimmed);
  if (ticks !== null) return { kind: 'datetime64', scale: Number(ticks[1]) };
  const decimal = DECIMAL.exec(trimmed);
  // A Decimal of 19 to 38 digits is stored in 128 bits; fewer digits in fewer bits, which no table of ours has.
  if (decimal !== null && Number(decimal[1]) > 18 && Number(decimal[1]) <= 38)
    return { kind: 'decimal128', scale: Number(decimal[2]) };
  const parametric = PARAMETRIC.exec(trimmed);
  return parametric === null ? null : parseParametric(parametric[1] ?? '', splitArguments(parametric[2] ?? ''));
};

const parseParametric = (name: string, texts: readonly string[]): ColumnType | null => {
  if (name === 'Tuple') return parseTuple(texts);
  const inner = texts.map(parseColumnType);
  const [first, second] = inner;
  if (first === undefined || first === null) return null;
  if (name === 'Map')
    return second === undefined || second === null ? null : { kind: 'map', key: first, value: second };
  if (name === 'Array') return { kind: 'array', inner: first };
  if (name === 'Nullable') return isScalar(first) ? { kind: 'nullable', inner: first } : null;
  // Dictionaries of anything but text occur in no table of ours.
  const plain = first.kind === 'nullable' ? first.inner : first;
  return plain.kind === 'string' ? { kind: 'low_cardinality', isNullable: first.kind === 'nullable' } : null;
};

const COMPOSED: ReadonlySet<string> = new Set(['nullable', 'low_cardinality', 'array', 'tuple', 'map']);
const isScalar = (type: ColumnType): type is ScalarType => !COMPOSED.has(type.kind);

const NAMED = /^(\w+)\s+(\S.*)$/s;

const parseTuple = (texts: readonly string[]): ColumnType | null => {
  const names: string[] = [];
  const inner: ColumnType[] = [];
  for (const text of texts) {
    const named = NAMED.exec(text.trim());
    const type = parseColumnType(named?.[2] ?? '');
    if (named === null || type === null) return null;
    names.push(named[1] ?? '');
    inner.push(type);
  }
  return { kind: 'tuple', names, inner };
};

/** Splits at commas outside of parentheses and quotes. */
const splitArguments = (text: string): readonly string[] => {
  const parts: string[] = [];
  let depth = 0;
  let isQuoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === "'") isQuoted = !isQuoted;
    if (isQuoted) continue;
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === ',' && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
};
