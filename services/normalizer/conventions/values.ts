import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { AnyValue } from '../../../schemas/otlp/types.ts';
import { type Json, jsonOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import { rememberTexts } from '../text-memory.ts';

/** A text with something in it; numbers as decimal text. undefined for '', absent, lists and objects. */
export const asText = (value: AnyValue | Json): string | undefined => {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value === 'number' || typeof value === 'bigint') return value.toString();
  return undefined;
};

/**
 * The largest count believed: a million context windows in one step. Anything up to it passes Avro's longs exactly, and
 * nine million steps of it still add up in an Int64; a larger one stays an attribute and is told as absent.
 */
export const COUNT_MAX = 1_000_000_000_000;

/** A non-negative whole number, also from decimal text (some SDKs send counts as strings); anything else is absent. */
export const asCount = (value: AnyValue | Json): number | undefined => {
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= COUNT_MAX ? count : undefined;
};

/** true or false, also from the texts, Python's spelling among them; undefined otherwise. */
export const asBool = (value: AnyValue | Json): boolean | undefined => {
  if (typeof value === 'boolean') return value;
  return value === 'true' || value === 'True' ? true : value === 'false' || value === 'False' ? false : undefined;
};

/** Keys that are asked for together, the first to be believed first. Answer: places of those that are there. */
export type Keys = KeyQuestion<readonly number[]>;

/** Asks for keys by name. Make each once, at the top of a module. */
export const keySet = (...keys: readonly string[]): Keys =>
  new KeyQuestion((_present, placeOf) => keys.map(placeOf).filter((place) => place >= 0));

/** Asks for every key of a form, in the order of the span. Make each once, at the top of a module. */
export const keysLike = (isWanted: (key: string) => boolean): KeyQuestion<readonly PlacedKey[]> =>
  new KeyQuestion((present) => present.map((key, place) => ({ key, place })).filter(({ key }) => isWanted(key)));

/** A key, and where its value stands. */
export interface PlacedKey {
  readonly key: string;
  readonly place: number;
}

/** The first of these attributes that holds a text. */
export const textAttr = (view: SpanView, keys: Keys): string | undefined => {
  for (const place of view.ask(keys)) {
    const text = asText(view.at(place));
    if (text !== undefined) return text;
  }
  return undefined;
};

/** What SDKs write where a name was not told: Micrometer demands a value of every key, others print what they hold. */
const NOT_TOLD: ReadonlySet<string> = new Set(['none', 'unknown', 'null', 'undefined', 'nil', 'n/a']);

/** The text, unless it stands where nothing was told. */
export const nameTold = (text: string | undefined): string | undefined =>
  text === undefined || (text.length <= 9 && NOT_TOLD.has(text.toLowerCase())) ? undefined : text;

/** The first of these attributes that holds a name of something; a word for nothing is none. */
export const nameAttr = (view: SpanView, keys: Keys): string | undefined => {
  for (const place of view.ask(keys)) {
    const name = nameTold(asText(view.at(place)));
    if (name !== undefined) return name;
  }
  return undefined;
};

/** The first of these attributes that holds a count. */
export const countAttr = (view: SpanView, keys: Keys): number | undefined => {
  for (const place of view.ask(keys)) {
    const count = asCount(view.at(place));
    if (count !== undefined) return count;
  }
  return undefined;
};

/** The first of these attributes that says true or false. */
export const boolAttr = (view: SpanView, keys: Keys): boolean | undefined => {
  for (const place of view.ask(keys)) {
    const said = asBool(view.at(place));
    if (said !== undefined) return said;
  }
  return undefined;
};

/** True when one of these attributes holds anything. */
export const hasAttr = (view: SpanView, keys: Keys): boolean =>
  view.ask(keys).some((place) => view.at(place) !== undefined);

/** An attribute as JSON, opened if it is JSON in a text; undefined when absent. */
export const jsonAttr = (view: SpanView, key: string): Json | undefined => openedJson(view.attr(key));

/** As `jsonAttr`, of the attribute at a place. */
export const jsonAt = (view: SpanView, place: number): Json | undefined => openedJson(view.at(place));

const openedJson = (value: AnyValue): Json | undefined => {
  if (value === undefined) return undefined;
  return typeof value === 'string' ? openText(value) : unwrap(jsonOf(value));
};

/** Nobody changes what was read: one tree may stand for all spans that repeat the text. */
const openText = (text: string): Json => opened(text).json;
const opened = rememberTexts((text) => ({ json: unwrap(text) }), {
  charsMin: 256,
  charsMax: 64 * 1024,
  entriesMax: 4_000,
  totalCharsMax: 4 * 1024 * 1024,
});

/** The first of these attributes that is there, as JSON. */
export const firstJsonAttr = (view: SpanView, keys: Keys): Json | undefined => {
  for (const place of view.ask(keys)) {
    const value = jsonAt(view, place);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
};

/** Those of the keys that the view has, by name. Make each question once, at the top of a module. */
export const namesOf = (...keys: readonly string[]): KeyQuestion<readonly PlacedKey[]> =>
  new KeyQuestion((_present, placeOf) =>
    keys.map((key) => ({ key, place: placeOf(key) })).filter(({ place }) => place >= 0),
  );

/** Those of the keys that hold anything. */
export const presentKeys = (view: SpanView, keys: KeyQuestion<readonly PlacedKey[]>): readonly string[] => {
  const placed = view.ask(keys);
  return placed.length === 0
    ? NO_KEYS
    : placed.filter(({ place }) => view.at(place) !== undefined).map(({ key }) => key);
};

const NO_KEYS: readonly string[] = [];
