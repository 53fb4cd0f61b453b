import { RE2JS } from 're2js';

/** Longer ones are programs, and belong into several rules. */
const PATTERN_CHARS_MAX = 1_000;
/** Instructions: matching costs at most this many steps a character. `[a-z]{1000}` has a thousand. */
const PROGRAM_SIZE_MAX = 2_000;

const compiled = new Map<string, RE2JS>();
/** Patterns of all rule sets at hand; beyond it they are compiled again. */
const COMPILED_MAX = 2_000;

/** Compiles with a linear-time engine; gives the reason when it will not: look-around, back references, size. */
export const patternProblem = (pattern: string): string | null => {
  if (pattern.length > PATTERN_CHARS_MAX)
    return `a pattern of ${pattern.length} characters; at most ${PATTERN_CHARS_MAX}`;
  try {
    const size = compile(pattern).programSize();
    return size > PROGRAM_SIZE_MAX ? `the pattern unfolds to ${size} instructions; at most ${PROGRAM_SIZE_MAX}` : null;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error);
    return `${reason} (RE2 syntax: linear time, so neither look-around nor back references)`;
  }
};

/** Whether the pattern, checked at load, is found in the text. Linear in the length of the text. */
export const findsPattern = (text: string, pattern: string): boolean => compile(pattern).matcher(text).find();

/** What a character of text costs, in units of the meter: the engine keeps as many threads as the program has places. */
export const patternCost = (pattern: string): number => 20 + Math.ceil(compile(pattern).programSize() / 4);

const compile = (pattern: string): RE2JS => {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  const made = RE2JS.compile(pattern);
  if (compiled.size >= COMPILED_MAX) compiled.clear();
  compiled.set(pattern, made);
  return made;
};
