import type { AnyValue } from '../../schemas/otlp/types.ts';

/** JSON as data: what an AnyValue or a JSON text becomes before it is read. Keys are hostile: read them with `field`. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Nesting followed when values are read or written; what lies deeper becomes the text '[too deep]'. Real ones stay below 20. */
export const JSON_DEPTH_MAX = 64;
/** JSON inside JSON strings is opened this many times: SDKs encode twice, gateways once more. */
export const UNWRAP_LEVELS_MAX = 3;
/** A longer text is not parsed as JSON: it would cost many times its size in memory. */
const JSON_TEXT_CHARS_MAX = 8 * 1024 * 1024;
const TOO_DEEP = '[too deep]';

/** True for objects, not for lists and null. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An own property, never one of the prototype; undefined when absent or not an object. */
export const field = (value: Json | undefined, key: string): Json | undefined =>
  isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;

/** The value at a path of keys and list positions; undefined when any of them is missing. */
export const at = (value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined => {
  let here: Json | undefined = value;
  for (const step of path) {
    here =
      typeof step === 'string' ? field(here, step) : Array.isArray(here) ? (here[step] as Json | undefined) : undefined;
  }
  return here;
};

/** A text that is not empty; undefined otherwise. */
export const textOf = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** An AnyValue as JSON: bytes as base64, integers beyond 2^53 as decimal text, an absent value as null. */
export const jsonOf = (value: AnyValue, depth = 0): Json => {
  if (value === undefined) return null;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object') return value;
  if (depth >= JSON_DEPTH_MAX) return TOO_DEEP;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isList(value)) return value.map((entry) => jsonOf(entry, depth + 1));
  // fromEntries defines own properties, so a key such as __proto__ stays a key.
  return Object.fromEntries([...value].map(([key, entry]) => [key, jsonOf(entry, depth + 1)]));
};

const isList = (value: AnyValue): value is readonly AnyValue[] => Array.isArray(value);

/** Parses a text that looks like a JSON object, list or string; undefined when it is none. */
export const parseJson = (text: string): Json | undefined => {
  const first = text.trimStart()[0];
  if (first !== '{' && first !== '[' && first !== '"') return undefined;
  if (text.length > JSON_TEXT_CHARS_MAX) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
};

/** Opens JSON texts until something else appears, at most UNWRAP_LEVELS_MAX times. */
export const unwrap = (value: Json): Json => {
  let here = value;
  for (let level = 0; level < UNWRAP_LEVELS_MAX && typeof here === 'string'; level++) {
    const parsed = parseJson(here);
    if (parsed === undefined) return here;
    here = parsed;
  }
  return here;
};

/**
 * JSON text with sorted keys and no spaces, so that equal values give equal text. A string stands for itself only
 * inside lists and objects; at the top it is quoted as JSON demands.
 */
export const canonicalJson = (value: Json, depth = 0): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth >= JSON_DEPTH_MAX) return `"${TOO_DEEP}"`;
  if (Array.isArray(value)) return `[${value.map((entry: Json) => canonicalJson(entry, depth + 1)).join(',')}]`;
  const parts: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const entry = field(value as JsonObject, key);
    if (entry !== undefined) parts.push(`${JSON.stringify(key)}:${canonicalJson(entry, depth + 1)}`);
  }
  return `{${parts.join(',')}}`;
};

/** A value as text for a column: texts as they are, the rest as canonical JSON. */
export const displayText = (value: Json): string => (typeof value === 'string' ? value : canonicalText(value));

const texts = new WeakMap<JsonObject | readonly Json[], string>();

/** As `canonicalJson`; made once for each object, which nobody changes. */
export const canonicalText = (value: Json): string => {
  if (typeof value !== 'object' || value === null) return canonicalJson(value);
  const known = texts.get(value);
  if (known !== undefined) return known;
  const text = canonicalJson(value);
  texts.set(value, text);
  return text;
};
