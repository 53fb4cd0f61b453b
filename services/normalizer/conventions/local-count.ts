import { displayText, field, parseJson } from '../json.ts';
import type { ContentPart, Usage } from '../step-facts.ts';

/**
 * Some instrumentations count tokens themselves where a stream brings no usage: the texts of the messages, nothing
 * else. Nothing on the span says so. But a provider's count holds more than the texts: what opens and closes each
 * message, and the calls of tools. A figure too small to hold that is such a local count.
 */

/** What opens and closes a message, at least (OpenAI: 3 and a few for the answer; other chat templates: 2 or more). */
const TOKENS_PER_MESSAGE = 2;
/** A tool's name, beside its arguments, which stand in the prompt and in the answer as they are. */
const TOKENS_PER_TOOL_NAME = 1;
/** Of a definition as JSON a provider writes names, types and descriptions, at least this part. */
const DEFINITION_SHARE = 0.25;
/** Characters looked at, of each side: beyond it a figure is believed. */
const CHARS_MAX = 32_768;

/** True when the figures cannot be the provider's. False proves nothing: without content there is nothing to compare. */
export const isLocalCount = (content: readonly ContentPart[], usage: Usage): boolean =>
  isLess(usage.input, content, 'input') || isLess(usage.output, content, 'output');

const isLess = (told: number | undefined, content: readonly ContentPart[], direction: 'input' | 'output'): boolean => {
  if (told === undefined) return false;
  let least = 0;
  let charsLeft = CHARS_MAX;
  let role = '';
  for (const part of content) {
    if (part.direction !== direction) continue;
    if (direction === 'input' && part.role !== role) least += TOKENS_PER_MESSAGE;
    role = part.role;
    least += leastOfPart(part, charsLeft);
    charsLeft -= part.content.length;
    if (least > told) return true;
    if (charsLeft <= 0) return false;
  }
  return false;
};

const leastOfPart = ({ partKind, role, content }: ContentPart, charsMax: number): number => {
  if (role === 'tools') return Math.floor(leastTokens(content.slice(0, charsMax)) * DEFINITION_SHARE);
  if (partKind === 'tool_call') return TOKENS_PER_TOOL_NAME + leastOfArguments(content, charsMax);
  return partKind === 'text' || partKind === 'tool_result' ? leastTokens(content.slice(0, charsMax)) : 0;
};

/** Of a call only its arguments: ids of calls stand in no prompt. */
const leastOfArguments = (call: string, charsMax: number): number => {
  if (call.length > charsMax) return 0;
  const given = field(parseJson(call), 'arguments');
  return given === undefined ? 0 : leastTokens(displayText(given));
};

/** Kinds of character as tokenizers split texts before they merge anything. */
const SPACE = 0;
const LETTER = 1;
const DIGIT = 2;
const MARK = 3;

/**
 * The fewest tokens a text can be: every tokenizer of a byte pair encoding splits at the ends of words, numbers and
 * marks first and merges only inside the pieces. One mark alone may join the word after it.
 */
export const leastTokens = (text: string): number => {
  let pieces = 0;
  let last = SPACE;
  let runLength = 0;
  for (let at = 0; at < text.length; at += 1) {
    const kind = kindOf(text.charCodeAt(at));
    if (kind === last) {
      runLength += 1;
      continue;
    }
    if (isPiece(last, runLength, kind)) pieces += 1;
    last = kind;
    runLength = 1;
  }
  return pieces + (isPiece(last, runLength, SPACE) ? 1 : 0);
};

const isPiece = (kind: number, length: number, next: number): boolean =>
  kind === LETTER || kind === DIGIT || (kind === MARK && (length > 1 || next !== LETTER));

const ASCII_END = 0x80;
/** Inside a word: some tokenizers keep "don't" whole. */
const APOSTROPHE = 0x27;

const kindOf = (code: number): number => {
  if (code >= ASCII_END || code === APOSTROPHE) return LETTER;
  if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)) return LETTER;
  if (code >= 0x30 && code <= 0x39) return DIGIT;
  return code <= 0x20 ? SPACE : MARK;
};
