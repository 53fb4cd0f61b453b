/**
 * Writes the protobuf wire format into one growing buffer. Messages are opened and closed: their length is put in
 * front when they close. The bytes are a function of the calls alone.
 */
export class WireWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(sizeBytes = 1024) {
    this.buffer = Buffer.allocUnsafe(sizeBytes);
  }

  /** Bytes written so far, as a copy. */
  finish(): Uint8Array {
    return new Uint8Array(this.buffer.subarray(0, this.length));
  }

  /** A field number with its wire type (0 varint, 1 fixed64, 2 length-delimited). */
  tag(field: number, wireType: 0 | 1 | 2): void {
    this.varint(field * 8 + wireType);
  }

  /** An unsigned integer up to 2^53. */
  varint(value: number): void {
    this.room(10);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.length++] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.buffer[this.length++] = rest;
  }

  /** A signed 64-bit integer in two's complement. */
  int64(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) {
      this.varint(value);
      return;
    }
    this.room(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest >= 0x80n) {
      this.buffer[this.length++] = Number(rest & 0x7fn) + 0x80;
      rest >>= 7n;
    }
    this.buffer[this.length++] = Number(rest);
  }

  fixed64(field: number, value: bigint): void {
    this.tag(field, 1);
    this.room(8);
    this.length = this.buffer.writeBigUInt64LE(value, this.length);
  }

  double(field: number, value: number): void {
    this.tag(field, 1);
    this.room(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  string(field: number, text: string): void {
    const size = Buffer.byteLength(text);
    this.tag(field, 2);
    this.varint(size);
    this.room(size);
    this.length += this.buffer.write(text, this.length, 'utf8');
  }

  blob(field: number, bytes: Uint8Array): void {
    this.tag(field, 2);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Bytes as they are, without tag or length. */
  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Opens a message field; hand the mark to `close`. */
  open(field: number): number {
    this.tag(field, 2);
    this.room(1);
    this.length += 1;
    return this.length;
  }

  /** Closes it: the content moves when its length needs more than one byte. */
  close(mark: number): void {
    const size = this.length - mark;
    let lengthBytes = 1;
    for (let rest = size; rest >= 0x80; rest = Math.floor(rest / 0x80)) lengthBytes += 1;
    this.room(lengthBytes);
    if (lengthBytes > 1) this.buffer.copyWithin(mark - 1 + lengthBytes, mark, this.length);
    this.length = mark - 1;
    this.varint(size);
    this.length += size;
  }

  private room(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const next = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(next, 0, 0, this.length);
    this.buffer = next;
  }
}
