/**
 * Shapes remembered in all. An application has a few dozen; a sender that makes up keys must not fill the memory, so
 * beyond this everything is forgotten and learnt anew.
 */
const SHAPES_MAX = 20_000;
/** Ways on that are tried by comparing bytes; the others are looked up by text. */
const NEAR_MAX = 8;
const ASCII_END = 0x80;

/** Reads keys in their order; `placeOf` says where one stands, -1 when it does not. */
export type KeyAnswer<T> = (keys: readonly string[], placeOf: (key: string) => number) => T;

/** Something that follows from the keys of an attribute list. Make each once, at the top of a module: shapes count them. */
export class KeyQuestion<T extends object> {
  static #made = 0;
  readonly id: number = KeyQuestion.#made++;
  readonly answer: KeyAnswer<T>;

  constructor(answer: KeyAnswer<T>) {
    this.answer = answer;
  }
}

/**
 * The keys of an attribute list, in order: lists with the same keys share one shape, as objects share a hidden class.
 * What follows from the keys alone is then found out once a shape instead of once a span.
 */
export class KeyShape {
  readonly size: number;
  readonly #parent: KeyShape | null;
  /** The last key. */
  readonly key: string;
  readonly #isAscii: boolean;
  #near: KeyShape[] = [];
  #next: Map<string, KeyShape> | null = null;
  #keys: readonly string[] | null = null;
  #places: ReadonlyMap<string, number> | null = null;
  readonly #answers: unknown[] = [];

  constructor(parent: KeyShape | null = null, key = '') {
    this.#parent = parent;
    this.key = key;
    this.size = parent === null ? 0 : parent.size + 1;
    this.#isAscii = isAscii(key);
  }

  /** Every key, in order. */
  keys(): readonly string[] {
    this.#keys ??= this.#readKeys();
    return this.#keys;
  }

  /** Where a key stands, -1 when it does not. */
  placeOf(key: string): number {
    this.#places ??= new Map(this.keys().map((each, place) => [each, place]));
    return this.#places.get(key) ?? -1;
  }

  /** As `placeOf`, for a shape on the way to another: nothing is remembered. */
  search(key: string): number {
    for (let here: KeyShape | null = this; here !== null && here.size > 0; here = here.#parent)
      if (here.key === key) return here.size - 1;
    return -1;
  }

  /** What follows from the keys alone: found out once a shape. */
  ask<T extends object>(question: KeyQuestion<T>): T {
    const known = this.#answers[question.id];
    if (known !== undefined) return known as T;
    const made = question.answer(this.keys(), (key) => this.placeOf(key));
    this.#answers[question.id] = made;
    return made;
  }

  /** The shape with one more key, if it is known and its key stands at bytes [start, end) in ASCII. */
  nearBy(bytes: Uint8Array, start: number, end: number): KeyShape | null {
    const length = end - start;
    for (const shape of this.#near) {
      if (shape.key.length === length && shape.#isAscii && isTextAt(shape.key, bytes, start)) return shape;
    }
    return null;
  }

  /** The shape with one more key, which is not yet among the keys. */
  with(key: string): KeyShape {
    this.#next ??= new Map();
    const known = this.#next.get(key);
    if (known !== undefined) return known;
    const made = new KeyShape(this, key);
    count();
    this.#next.set(key, made);
    if (this.#near.length < NEAR_MAX) this.#near.push(made);
    return made;
  }

  /** The shape with one more key when it is known; null otherwise. */
  known(key: string): KeyShape | null {
    return this.#next?.get(key) ?? null;
  }

  #readKeys(): readonly string[] {
    const keys = new Array<string>(this.size);
    for (let here: KeyShape | null = this; here !== null && here.size > 0; here = here.#parent)
      keys[here.size - 1] = here.key;
    return keys;
  }
}

const isAscii = (text: string): boolean => {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) >= ASCII_END) return false;
  return true;
};

/** From the end: keys of a family begin alike. */
const isTextAt = (text: string, bytes: Uint8Array, start: number): boolean => {
  for (let at = text.length - 1; at >= 0; at -= 1) if (text.charCodeAt(at) !== bytes[start + at]) return false;
  return true;
};

// A memory of a pure function: what is in it changes how fast an answer comes, never the answer.
let root = new KeyShape();
let shapes = 0;

const count = (): void => {
  shapes += 1;
  if (shapes <= SHAPES_MAX) return;
  shapes = 0;
  root = new KeyShape();
};

/** The shape without keys, where every list begins. */
export const emptyShape = (): KeyShape => root;
