/** How a scalar is written, as the YAML library names it. */
export type ScalarStyle = 'PLAIN' | 'QUOTE_SINGLE' | 'QUOTE_DOUBLE' | 'BLOCK_LITERAL' | 'BLOCK_FOLDED';

/**
 * Where in the source the character `offset` of a scalar's value stands. YAML folds lines and indents blocks, but every
 * character that is no white space comes out in its order, so they are counted on both sides. A place in white space, or
 * behind the end, is told as the place behind the character before it.
 */
export const sourceOffset = (
  source: string,
  start: number,
  style: ScalarStyle,
  value: string,
  offset: number,
): number => {
  const wanted = countInk(value, offset);
  const isInk = offset < value.length && !isWhite(value[offset]);
  let at = bodyStart(source, start, style);
  for (let seen = 0; at < source.length; ) {
    const [length, ink] = glyphAt(source, at, style);
    if (ink && seen === wanted && (isInk || seen === 0)) return at;
    if (ink) seen += 1;
    at += length;
    if (!isInk && ink && seen === wanted) return at;
  }
  return at;
};

const isWhite = (char: string | undefined): boolean => char === undefined || /\s/.test(char);

const countInk = (text: string, end: number): number => {
  let count = 0;
  for (let at = 0; at < end && at < text.length; at += 1) if (!isWhite(text[at])) count += 1;
  return count;
};

/** A block begins on the line below its header, a quoted text behind its quote. */
const bodyStart = (source: string, start: number, style: ScalarStyle): number => {
  if (style === 'PLAIN') return start;
  if (style.startsWith('QUOTE')) return start + 1;
  const line = source.indexOf('\n', start);
  return line === -1 ? source.length : line + 1;
};

/** Length of what stands at `at`, and whether it gives one character that is no white space. */
const glyphAt = (source: string, at: number, style: ScalarStyle): readonly [length: number, ink: boolean] => {
  const char = source[at];
  if (style === 'QUOTE_SINGLE' && char === "'" && source[at + 1] === "'") return [2, true];
  if (style !== 'QUOTE_DOUBLE' || char !== '\\') return [1, !isWhite(char)];
  const next = source[at + 1] ?? '';
  const digits = { x: 2, u: 4, U: 8 }[next];
  if (digits !== undefined) {
    const code = Number.parseInt(source.slice(at + 2, at + 2 + digits), 16);
    return [2 + digits, !isWhite(String.fromCodePoint(Number.isNaN(code) ? 0x20 : Math.min(code, 0x10ffff)))];
  }
  return [2, !/[\s\\nrtvfNLP_]/.test(next) || next === '\\'];
};
