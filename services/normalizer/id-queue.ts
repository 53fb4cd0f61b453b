import { hash128 } from '../../schemas/identity.ts';

/** A step id is 128 bits as lower-case hex. */
const ID_CHARS = 32;
/** Value of a hex digit by its character code; -1 for what is none. */
const DIGITS = Int8Array.from({ length: 128 }, (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code)));
const WORDS = 4;
const WORD_CHARS = 8;
const ROOM_MIN = 1024;
/** Of an entry whose id came again: it stands further behind now. */
const GONE = -1;

/**
 * Ids and the offset where each came last, in the order in which they came, outside the heap: half a million of them as
 * strings in a Map take 50 MB that every full collection walks through, here 20 MB that none looks into. Ids that are no
 * 128 bits of hex are hashed to so many.
 */
export class IdQueue {
  /** Entries [head, tail), at their number modulo the room. */
  #words = new Uint32Array(WORDS * ROOM_MIN);
  #offsets = new Float64Array(ROOM_MIN);
  #head = 0;
  #tail = 0;
  #size = 0;
  /** Open addressing, linear probing, at most half full: places of entries plus one, 0 is free. */
  #slots = new Int32Array(2 * ROOM_MIN);
  /** The id that is looked for. */
  readonly #id = new Uint32Array(WORDS);

  /** How many ids there are. */
  get size(): number {
    return this.#size;
  }

  has(id: string): boolean {
    this.#read(id);
    return this.#slots[this.#find()] !== 0;
  }

  /** Adds an id as the newest; one that is known moves there. Offsets may not fall from one to the next. */
  add(id: string, offset: number): void {
    if (this.#tail - this.#head === this.#offsets.length) this.#grow();
    this.#read(id);
    const slot = this.#find();
    const known = this.#slots[slot] ?? 0;
    if (known === 0) this.#size += 1;
    else this.#offsets[known - 1] = GONE;
    const place = this.#tail % this.#offsets.length;
    this.#words.set(this.#id, WORDS * place);
    this.#offsets[place] = offset;
    this.#slots[slot] = place + 1;
    this.#tail += 1;
  }

  /** The offset of the oldest id; null when there is none. */
  oldest(): number | null {
    while (this.#head < this.#tail) {
      const offset = this.#offsets[this.#head % this.#offsets.length] ?? GONE;
      if (offset !== GONE) return offset;
      this.#head += 1;
    }
    return null;
  }

  /** Forgets the oldest id, if there is one. */
  drop(): void {
    if (this.oldest() === null) return;
    const place = this.#head % this.#offsets.length;
    this.#id.set(this.#words.subarray(WORDS * place, WORDS * (place + 1)));
    this.#free(this.#find());
    this.#head += 1;
    this.#size -= 1;
  }

  #read(id: string): void {
    if (!this.#readHex(id)) this.#readHex(hash128([id]));
  }

  /** False: it is no 128 bits of hex. */
  #readHex(id: string): boolean {
    if (id.length !== ID_CHARS) return false;
    let signs = 0;
    for (let word = 0, at = 0; word < WORDS; word += 1) {
      let bits = 0;
      for (const end = at + WORD_CHARS; at < end; at += 1) {
        const digit = DIGITS[id.charCodeAt(at)] ?? -1;
        signs |= digit;
        bits = (bits << 4) | digit;
      }
      this.#id[word] = bits;
    }
    return signs >= 0;
  }

  /** Where the id stands, or the free slot where it would. */
  #find(): number {
    const mask = this.#slots.length - 1;
    let slot = (this.#id[0] ?? 0) & mask;
    for (let entry = this.#slots[slot] ?? 0; entry !== 0; entry = this.#slots[slot] ?? 0) {
      if (this.#isAt(entry - 1)) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #isAt(place: number): boolean {
    for (let word = 0; word < WORDS; word += 1) if (this.#words[WORDS * place + word] !== this.#id[word]) return false;
    return true;
  }

  /** Frees a slot, and moves what was pushed behind it closer to where it belongs (Knuth, TAOCP 3, 6.4, algorithm R). */
  #free(freed: number): void {
    const mask = this.#slots.length - 1;
    let hole = freed;
    let slot = (freed + 1) & mask;
    for (let entry = this.#slots[slot] ?? 0; entry !== 0; entry = this.#slots[slot] ?? 0) {
      const home = (this.#words[WORDS * (entry - 1)] ?? 0) & mask;
      // Its home is not between the hole and where it stands: it may move into the hole.
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        this.#slots[hole] = entry;
        hole = slot;
      }
      slot = (slot + 1) & mask;
    }
    this.#slots[hole] = 0;
  }

  /** Room for twice as many as there are; entries that moved away are left behind. */
  #grow(): void {
    const [words, offsets, head, tail] = [this.#words, this.#offsets, this.#head, this.#tail];
    let room = ROOM_MIN;
    while (room < 2 * this.#size) room *= 2;
    this.#words = new Uint32Array(WORDS * room);
    this.#offsets = new Float64Array(room);
    this.#slots = new Int32Array(2 * room);
    this.#head = 0;
    this.#tail = 0;
    for (let at = head; at < tail; at += 1) {
      const place = at % offsets.length;
      const offset = offsets[place] ?? GONE;
      if (offset === GONE) continue;
      this.#id.set(words.subarray(WORDS * place, WORDS * (place + 1)));
      this.#slots[this.#find()] = this.#tail + 1;
      this.#words.set(this.#id, WORDS * this.#tail);
      this.#offsets[this.#tail] = offset;
      this.#tail += 1;
    }
  }
}
