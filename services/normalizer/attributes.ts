import { AttributeList } from '../../schemas/otlp/attribute-list.ts';
import { KeyQuestion } from '../../schemas/otlp/key-shape.ts';
import type { AnyMap, AnyValue } from '../../schemas/otlp/types.ts';
import { contentDirection } from './content-keys.ts';
import { displayText, jsonOf } from './json.ts';
import { ATTRIBUTE_BYTES_MAX, ATTRIBUTE_KEY_CHARS_MAX, ATTRIBUTES_MAX } from './limits.ts';
import type { Redactor } from './redact.ts';
import type { ContentPart } from './step-facts.ts';
import { cutUtf8, fingerprint, utf8Bytes } from './text.ts';

/** Content of prompts and answers: kept, only its fingerprint kept, or not kept at all. A setting per tenant. */
export type ContentMode = 'full' | 'hash' | 'off';

/** Attributes as stored, and what became content instead. */
export interface StoredAttributes {
  /** Entries of the column; a Map, because keys are hostile input. */
  readonly entries: ReadonlyMap<string, string>;
  readonly content: readonly ContentPart[];
  readonly flags: readonly string[];
}

export interface AttributeOptions {
  readonly redactor: Redactor;
  readonly mode: ContentMode;
  /** Attributes a convention has read as content already. */
  readonly contentKeys: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** The value as text: texts as they are, numbers and booleans as usual, the rest as canonical JSON. */
const textOfValue = (value: AnyValue): string => (typeof value === 'string' ? value : displayText(jsonOf(value)));

/** How a key is stored, judged by itself alone. */
interface StoredKey {
  readonly rawKey: string;
  readonly key: string;
  readonly movedKey: string;
  /** Of its content, if texts under it are content. */
  readonly direction: ContentPart['direction'] | undefined;
}

const STORED_KEYS = new KeyQuestion((keys): readonly StoredKey[] =>
  keys.map((rawKey) => {
    const key = rawKey.slice(0, ATTRIBUTE_KEY_CHARS_MAX);
    return { rawKey, key, movedKey: `tacho.moved.${key}`, direction: contentDirection(key) };
  }),
);

/**
 * Attributes → the map column. Content never stands there: reading it needs another grant than reading spans. It
 * leaves `tacho.moved.<key>` with its length behind; an attribute that is cut leaves `tacho.cut.<key>` with length
 * and hash. Values are redacted. Beyond ATTRIBUTES_MAX they are counted.
 */
export const storeAttributes = (attributes: AnyMap, options: AttributeOptions): StoredAttributes => {
  const entries = new Map<string, string>();
  const content: ContentPart[] = [];
  const flags: string[] = [];
  let kept = 0;
  let dropped = 0;
  const list = AttributeList.from(attributes);
  const into: Draft = { entries, content, flags };
  const keys = list.ask(STORED_KEYS);
  for (let place = 0; place < keys.length; place += 1) {
    const as = keys[place];
    const value = list.at(place);
    if (as === undefined || value === undefined) continue;
    if (kept >= ATTRIBUTES_MAX) {
      dropped++;
      continue;
    }
    kept++;
    if (options.contentKeys.has(as.rawKey)) entries.set(as.movedKey, `len=${lengthOf(value)}`);
    else storeAttribute(as, value, options, into);
  }
  if (dropped > 0) {
    entries.set('tacho.attributes_dropped', String(dropped));
    flags.push('attributes_dropped');
  }
  return { entries, content, flags };
};

const lengthOf = (value: AnyValue): number => utf8Bytes(textOfValue(value));

/** White space or a bracket: a sentence, code, JSON. */
const LANGUAGE = /[\s{[]/;

interface Draft {
  readonly entries: Map<string, string>;
  readonly content: ContentPart[];
  readonly flags: string[];
}

const storeAttribute = (as: StoredKey, value: AnyValue, options: AttributeOptions, into: Draft): void => {
  const { key, movedKey, direction } = as;
  const isWord = typeof value === 'object' || typeof value === 'string';
  const raw = textOfValue(value);
  if (direction !== undefined && isWord && raw !== '') {
    into.entries.set(movedKey, `len=${utf8Bytes(raw)}`);
    into.content.push({ direction, role: key, partKind: 'other', content: raw });
    return;
  }
  const text = isWord ? options.redactor.clean(raw) : raw;
  const inline = cutUtf8(text, ATTRIBUTE_BYTES_MAX);
  if (inline === text) {
    into.entries.set(key, text);
    return;
  }
  if (!into.flags.includes('attribute_cut')) into.flags.push('attribute_cut');
  into.entries.set(`tacho.cut.${key}`, `len=${utf8Bytes(text)},hash=${fingerprint(text)}`);
  // Text and JSON of that length are content, whatever the key says; only an opaque token stays, cut.
  into.entries.set(key, options.mode === 'full' && !LANGUAGE.test(inline) ? inline : '');
  into.content.push({ direction: 'attribute', role: key, partKind: 'other', content: text });
};

/** Resource attributes → the map column: never content, so long values are cut and nothing more. */
export const storeResource = (attributes: AnyMap, redactor: Redactor): ReadonlyMap<string, string> => {
  const entries = new Map<string, string>();
  for (const [key, value] of attributes) {
    if (value === undefined) continue;
    if (entries.size >= ATTRIBUTES_MAX) break;
    const text = redactor.clean(textOfValue(value));
    entries.set(key.slice(0, ATTRIBUTE_KEY_CHARS_MAX), cutUtf8(text, ATTRIBUTE_BYTES_MAX));
  }
  return entries;
};

/** Options for attributes nothing has been read from. */
export const plainOptions = (redactor: Redactor, mode: ContentMode): AttributeOptions => ({
  redactor,
  mode,
  contentKeys: NONE,
});
