import { emptyShape, type KeyQuestion, type KeyShape } from './key-shape.ts';
import type { AnyMap, AnyValue } from './types.ts';

/** A longer list is no list of an SDK: it is kept as a plain Map, and its keys make no shape. */
const SHAPED_KEYS_MAX = 256;

/**
 * The attributes of one item: a shape, and a value for each of its keys. To everybody else a ReadonlyMap, in the order
 * in which the keys first came; a repeated key keeps its last value.
 */
export class AttributeList implements AnyMap {
  #shape: KeyShape = emptyShape();
  readonly #values: AnyValue[] = [];
  /** Every key and its place, once the list is too long for a shape. */
  #places: Map<string, number> | null = null;
  #keys: string[] = [];

  /** A list with the entries of a map. */
  static from(map: AnyMap): AttributeList {
    if (map instanceof AttributeList) return map;
    const list = new AttributeList();
    for (const [key, value] of map) list.set(key, value);
    return list;
  }

  /** The keys; null for a list too long to have a shape. */
  get shape(): KeyShape | null {
    return this.#places === null ? this.#shape : null;
  }

  /** What follows from the keys alone. Places in the answer are for `at`. */
  ask<T extends object>(question: KeyQuestion<T>): T {
    return this.#places === null ? this.#shape.ask(question) : question.answer(this.#keys, (key) => this.placeOf(key));
  }

  /** The value of the key at a place in the order of keys. */
  at(place: number): AnyValue {
    return this.#values[place];
  }

  get size(): number {
    return this.#values.length;
  }

  /** Adds a key, or changes its value. */
  set(key: string, value: AnyValue): void {
    const known = this.#places === null ? this.#shape.known(key) : null;
    if (known !== null) {
      this.push(known, value);
      return;
    }
    const place = this.#places === null ? this.#shape.search(key) : (this.#places.get(key) ?? -1);
    if (place >= 0) this.#values[place] = value;
    else this.#add(key, value);
  }

  #add(key: string, value: AnyValue): void {
    if (this.#places === null && this.size < SHAPED_KEYS_MAX) {
      this.push(this.#shape.with(key), value);
      return;
    }
    if (this.#places === null) {
      this.#keys = [...this.#shape.keys()];
      this.#places = new Map(this.#keys.map((each, place) => [each, place]));
    }
    this.#places.set(key, this.size);
    this.#keys.push(key);
    this.#values.push(value);
  }

  /** Adds the last key of a shape that has one key more than this list. */
  push(shape: KeyShape, value: AnyValue): void {
    this.#shape = shape;
    this.#values.push(value);
  }

  get(key: string): AnyValue {
    const place = this.placeOf(key);
    return place < 0 ? undefined : this.#values[place];
  }

  has(key: string): boolean {
    return this.placeOf(key) >= 0;
  }

  /** Where a key stands, -1 when it does not. */
  placeOf(key: string): number {
    return this.#places === null ? this.#shape.placeOf(key) : (this.#places.get(key) ?? -1);
  }

  forEach(visit: (value: AnyValue, key: string, map: ReadonlyMap<string, AnyValue>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }

  *entries(): Generator<[string, AnyValue], undefined, unknown> {
    let place = 0;
    for (const key of this.keys()) {
      yield [key, this.#values[place]];
      place += 1;
    }
    return undefined;
  }

  *keys(): Generator<string, undefined, unknown> {
    yield* this.#places === null ? this.#shape.keys() : this.#keys;
    return undefined;
  }

  *values(): Generator<AnyValue, undefined, unknown> {
    yield* this.#values;
    return undefined;
  }

  [Symbol.iterator](): Generator<[string, AnyValue], undefined, unknown> {
    return this.entries();
  }
}

/** True for a kvlist and for an attribute list. */
export const isAnyMap = (value: AnyValue): value is AnyMap => value instanceof AttributeList || value instanceof Map;
