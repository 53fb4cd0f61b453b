import { type Outcome, ok, refused } from '../outcome.ts';
import { JSON_NESTING_MAX } from './limits.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const BYTE_ORDER_MARK = '\ufeff';
/** An integer that JSON.parse would round, standing where a value may stand. */
const BARE_BIG_INTEGER = /[:[,]\s*-?\d{16}/;

/**
 * JSON.parse for hostile bytes: nesting is bounded, integers beyond 2^53 arrive as decimal strings (OTLP/JSON takes
 * either form), a byte order mark is dropped, bytes that are not UTF-8 become U+FFFD. V8 parses nesting without
 * recursion as long as no reviver is given, so none is.
 */
export const parseJson = (bytes: Uint8Array): Outcome<unknown> => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoded = buffer.toString('utf8');
  const text = decoded.startsWith(BYTE_ORDER_MARK) ? decoded.slice(1) : decoded;
  if (text.trim() === '') return ok({});
  if (text.length > JSON_NESTING_MAX && !isNestingBounded(text)) {
    return refused('too_deep', `JSON nested beyond ${JSON_NESTING_MAX} levels`);
  }
  try {
    const value: unknown = JSON.parse(BARE_BIG_INTEGER.test(text) ? quoteBigIntegers(text) : text);
    return ok(value);
  } catch {
    return refused('malformed_json', 'the body is not JSON');
  }
};

/** Puts quotes around integers of 16 digits and more, outside of strings. */
export const quoteBigIntegers = (text: string): string => {
  let out = '';
  let copied = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === MINUS || isDigit(code)) {
      const end = endOfNumber(text, at);
      const token = text.slice(at, end);
      if (end - at >= 16 && /^-?\d{16,}$/.test(token)) {
        out += `${text.slice(copied, at)}"${token}"`;
        copied = end;
      }
      at = end;
    } else at += 1;
  }
  return out + text.slice(copied);
};

const isNestingBounded = (text: string): boolean => {
  let depth = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (code === 0x7b || code === 0x5b) depth += 1;
    else if (code === 0x7d || code === 0x5d) depth -= 1;
    if (depth > JSON_NESTING_MAX) return false;
    at += 1;
  }
  return true;
};

/** Position behind the string that opens at `start`; the end of the text when it is not closed. */
const endOfString = (text: string, start: number): number => {
  let at = start;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at + 1;
  }
};

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

const endOfNumber = (text: string, start: number): number => {
  let at = start + 1;
  while (at < text.length && isNumberPart(text.charCodeAt(at))) at += 1;
  return at;
};

/** Digits, `.`, `e`, `E`, `+`, `-`. */
const isNumberPart = (code: number): boolean =>
  isDigit(code) || code === 0x2e || code === 0x65 || code === 0x45 || code === 0x2b || code === MINUS;
