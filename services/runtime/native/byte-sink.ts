const FIRST_BYTES = 64 * 1024;
/** A character of JavaScript takes at most three bytes of UTF-8. */
const BYTES_PER_CHAR_MAX = 3;
/** Up to so many characters a loop over them is faster than the call into the runtime. */
const LOOP_CHARS_MAX = 32;
const ASCII_END = 0x80;
/** Texts of so many bytes have their length in one byte. */
const SHORT_TEXT_CHARS = 0x7f;
const LENGTHS: readonly string[] = Array.from({ length: SHORT_TEXT_CHARS + 1 }, (_, length) =>
  String.fromCharCode(length),
);
/** Fewer texts than this are written one by one. */
const JOINED_MIN = 8;
const TWO_POW_32 = 0x1_0000_0000;

/** Bytes that grow at their end; little-endian, as ClickHouse writes. */
export class ByteSink {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  /** What was written; valid until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  /** A copy of what was written; the sink is empty again. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.#at);
    this.#bytes.copy(taken, 0, 0, this.#at);
    this.#at = 0;
    return taken;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#at = 0;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at] = value;
    this.#at += 1;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#at = this.#bytes.writeUInt16LE(value & 0xffff, this.#at);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#at = this.#bytes.writeUInt32LE(value >>> 0, this.#at);
  }

  /** A safe integer, negative ones in two's complement. */
  i64(value: number): void {
    this.#reserve(8);
    const high = Math.floor(value / TWO_POW_32);
    this.#bytes.writeUInt32LE(value - high * TWO_POW_32, this.#at);
    this.#bytes.writeInt32LE(high, this.#at + 4);
    this.#at += 8;
  }

  /** Any integer of 64 bits, signed or not. */
  big64(value: bigint): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.#at);
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  varint(value: number): void {
    this.#reserve(9);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at] = (rest % 0x80) | 0x80;
      this.#at += 1;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at] = rest;
    this.#at += 1;
  }

  /** Length and UTF-8; lone surrogates, which no UTF-8 can hold, become U+FFFD. */
  text(value: string): void {
    const bytesMax = value.length * BYTES_PER_CHAR_MAX;
    if (bytesMax < 0x80) {
      this.#reserve(bytesMax + 1);
      const written = this.#ascii(value) ? value.length : this.#bytes.write(value, this.#at + 1, 'utf8');
      this.#bytes[this.#at] = written;
      this.#at += written + 1;
      return;
    }
    const bytes = Buffer.byteLength(value, 'utf8');
    this.varint(bytes);
    this.#reserve(bytes);
    this.#at += this.#bytes.write(value, this.#at, 'utf8');
  }

  /**
   * As `text` for each. Short ones are joined first and written by one call: most columns are ASCII, which has as many
   * bytes as characters.
   */
  texts(values: readonly string[]): void {
    let from = 0;
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at] ?? '';
      if (value.length <= SHORT_TEXT_CHARS) continue;
      this.#joined(values, from, at);
      this.text(value);
      from = at + 1;
    }
    this.#joined(values, from, values.length);
  }

  /** Short texts [from, to). */
  #joined(values: readonly string[], from: number, to: number): void {
    if (to - from >= JOINED_MIN) {
      // Lengths and texts in turns; an array that grew would leave twice its size behind.
      const parts = new Array<string>(2 * (to - from));
      for (let at = from, part = 0; at < to; at += 1, part += 2) {
        const value = values[at] ?? '';
        parts[part] = LENGTHS[value.length] ?? '';
        parts[part + 1] = value;
      }
      const joined = parts.join('');
      if (Buffer.byteLength(joined, 'utf8') === joined.length) {
        this.#reserve(joined.length);
        this.#at += this.#bytes.write(joined, this.#at, 'latin1');
        return;
      }
    }
    for (let at = from; at < to; at += 1) this.text(values[at] ?? '');
  }

  /** Writes a short text of ASCII behind the place of its length; false: it is none. */
  #ascii(value: string): boolean {
    if (value.length > LOOP_CHARS_MAX) return false;
    const from = this.#at + 1;
    for (let at = 0; at < value.length; at += 1) {
      const code = value.charCodeAt(at);
      if (code >= ASCII_END) return false;
      this.#bytes[from + at] = code;
    }
    return true;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
