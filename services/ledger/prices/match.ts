import type { MatchLogic } from '@pydantic/genai-prices';

/** Whether a catalogue matcher takes this text. As the library does it: case does not count, save in regexes. */
export const matches = (logic: MatchLogic, text: string): boolean => {
  const lower = text.toLowerCase();
  if ('or' in logic) return logic.or.some((part) => matches(part, text));
  if ('and' in logic) return logic.and.every((part) => matches(part, text));
  if ('equals' in logic) return lower === logic.equals.toLowerCase();
  if ('starts_with' in logic) return lower.startsWith(logic.starts_with.toLowerCase());
  if ('ends_with' in logic) return lower.endsWith(logic.ends_with.toLowerCase());
  if ('contains' in logic) return lower.includes(logic.contains.toLowerCase());
  return new RegExp(logic.regex).test(text);
};

/** Longer names are no model's: they would only cost time in matchers. */
const MODEL_NAME_CHARS_MAX = 256;
/** Paths some SDKs put before the name; they say how it was reached, not what it is. */
const PREFIXES = ['models/', 'googleai/', 'vertexai/', 'publishers/google/models/', 'publishers/anthropic/models/'];
/** Release dates and marks at the end: `-2025-04-14`, `-20250929`, `@20250929`, `-latest`. */
const SUFFIX = /(?:-20\d{2}-\d{2}-\d{2}|[-@]20\d{6}|-latest)$/;

/** The names to look a model up by, as told first. Prefixes and dates are cut for look-up only. */
export const lookupNames = (model: string): readonly string[] => {
  const told = model.trim();
  if (told === '' || told.length > MODEL_NAME_CHARS_MAX) return [];
  const prefix = PREFIXES.find((candidate) => told.toLowerCase().startsWith(candidate));
  const bare = prefix === undefined ? told : told.slice(prefix.length);
  return [...new Set([told, bare, bare.replace(SUFFIX, '')])].filter((name) => name !== '');
};
