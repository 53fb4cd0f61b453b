import type { AnyValue } from '../../../schemas/otlp/types.ts';
import { type Json, jsonOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';

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

/** true or false, also from the texts; undefined otherwise. */
export const asBool = (value: AnyValue | Json): boolean | undefined => {
  if (typeof value === 'boolean') return value;
  return value === 'true' ? true : value === 'false' ? false : undefined;
};

/** The first of these attributes that holds a text. */
export const textAttr = (view: SpanView, keys: readonly string[]): string | undefined => {
  for (const key of keys) {
    const text = asText(view.attr(key));
    if (text !== undefined) return text;
  }
  return undefined;
};

/** The first of these attributes that holds a count. */
export const countAttr = (view: SpanView, keys: readonly string[]): number | undefined => {
  for (const key of keys) {
    const count = asCount(view.attr(key));
    if (count !== undefined) return count;
  }
  return undefined;
};

/** An attribute as JSON, opened if it is JSON in a text; undefined when absent. */
export const jsonAttr = (view: SpanView, key: string): Json | undefined => {
  const value = view.attr(key);
  return value === undefined ? undefined : unwrap(jsonOf(value));
};

/** The first of these attributes that is there, as JSON. */
export const firstJsonAttr = (view: SpanView, keys: readonly string[]): Json | undefined => {
  for (const key of keys) {
    const value = jsonAttr(view, key);
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
};

/** Those of the keys that the view has. */
export const presentKeys = (view: SpanView, keys: readonly string[]): readonly string[] =>
  keys.filter((key) => view.attr(key) !== undefined);
