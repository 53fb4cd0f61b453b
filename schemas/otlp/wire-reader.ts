import type { DeadLetterReason } from '../dead-letter.ts';
import type { KeyShape } from './key-shape.ts';
import { GROUP_DEPTH_MAX } from './limits.ts';

/** A fault found while reading: the reason, and one sentence without payload bytes. */
export interface WireFault {
  readonly reason: DeadLetterReason;
  readonly detail: string;
}

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_GROUP_START = 3;
const WIRE_GROUP_END = 4;
const WIRE_FIXED32 = 5;

/**
 * Strings up to this length are looked through in JavaScript and, when they are ASCII, cut out of one text of all bytes:
 * a native call costs more than that many bytes. A longer one is copied, so that it does not hold the whole request.
 */
const SHORT_STRING_BYTES = 128;
const ASCII_END = 0x80;

/**
 * Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) out of a byte range.
 * The first fault sticks: from then on every read gives a zero value and `more()` is false, so loops end by
 * themselves and the caller asks `fault` once. Never reads outside the current limit.
 */
export class WireReader {
  readonly bytes: Buffer;
  pos: number;
  limit: number;
  fault: WireFault | null = null;
  /** Nodes still allowed (limits.ts NODES_MAX); the decoder counts down. */
  nodesLeft: number = Number.MAX_SAFE_INTEGER;
  /** All bytes as characters of Latin-1; made when the first string is read. */
  #latin1: string | null = null;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.pos = start;
    this.limit = end;
  }

  /** True while the current message has fields left and nothing is wrong. */
  more(): boolean {
    return this.pos < this.limit;
  }

  /** Notes a fault (the first one wins) and moves to the end. */
  fail(reason: DeadLetterReason, detail: string): void {
    this.fault ??= { reason, detail };
    this.pos = this.limit;
  }

  /** Forgets the fault and stands at [start, end): to go on after a bad item. */
  reset(start: number, end: number): void {
    this.fault = null;
    this.pos = start;
    this.limit = end;
  }

  /** Counts one decoded node; faults with too_large when the item has too many. */
  node(): void {
    if (--this.nodesLeft < 0) this.fail('too_large', 'more attributes, events and values than one item may hold');
  }

  /** Field number << 3 | wire type, 0 on a fault. */
  tag(): number {
    const tag = this.uint32();
    if (tag >>> 3 === 0 && this.fault === null) this.fail('malformed_protobuf', 'field number 0');
    return this.fault === null ? tag : 0;
  }

  /** A varint that must fit 32 bits unsigned (tags, lengths). */
  uint32(): number {
    // Nearly all of them have one byte.
    const first = this.bytes[this.pos] ?? 0;
    if (first < 0x80 && this.pos < this.limit) {
      this.pos++;
      return first;
    }
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.pos >= this.limit) return this.truncated();
      const byte = this.bytes[this.pos++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    this.fail('malformed_protobuf', 'a tag or length beyond 32 bits');
    return 0;
  }

  /** A varint as signed 64 bits: a number when it is safe, else a bigint. */
  int64(): number | bigint {
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      if (this.pos >= this.limit) return this.truncated();
      const byte = this.bytes[this.pos++] ?? 0;
      if (i < 4) low += (byte & 0x7f) * 2 ** (7 * i);
      else if (i === 4) {
        low += (byte & 0x0f) * 2 ** 28;
        high = (byte & 0x7f) >>> 4;
      } else high += (byte & 0x7f) * 2 ** (7 * i - 32);
      if (byte < 0x80) return joinSigned(low, high % 2 ** 32);
    }
    this.fail('malformed_protobuf', 'a varint longer than 10 bytes');
    return 0;
  }

  /** A varint as int32: enums. The upper half of a sign-extended value is dropped, as protobuf does. */
  int32(): number {
    return Number(BigInt.asIntN(32, BigInt(this.int64())));
  }

  bool(): boolean {
    const value = this.int64();
    return value !== 0 && value !== 0n;
  }

  /** Unsigned 64 bits, little endian. */
  fixed64(): bigint {
    return this.take(8) ? this.bytes.readBigUInt64LE(this.pos - 8) : 0n;
  }

  double(): number {
    return this.take(8) ? this.bytes.readDoubleLE(this.pos - 8) : 0;
  }

  /** Reads a length and makes the message behind it current; gives the limit to hand to `leave`. */
  enter(): number {
    const outer = this.limit;
    const length = this.uint32();
    if (this.pos + length > outer) this.truncated();
    else this.limit = this.pos + length;
    return outer;
  }

  /** Back to the enclosing message, behind the current one. On a fault everything enclosing is at its end too. */
  leave(outer: number): void {
    this.pos = this.fault === null ? this.limit : outer;
    this.limit = outer;
  }

  /** Length-delimited text. Bytes that are not UTF-8 become U+FFFD: a broken label must not cost a span. */
  string(): string {
    const length = this.uint32();
    if (!this.take(length) || length === 0) return '';
    const start = this.pos - length;
    if (length > SHORT_STRING_BYTES) return this.bytes.toString('utf8', start, this.pos);
    for (let i = start; i < this.pos; i++) {
      if ((this.bytes[i] ?? 0) >= ASCII_END) return this.bytes.toString('utf8', start, this.pos);
    }
    this.#latin1 ??= this.bytes.toString('latin1');
    return this.#latin1.substring(start, this.pos);
  }

  /** As `string`, but a text of its own, which may be kept without keeping the request. */
  freshString(): string {
    const length = this.uint32();
    return this.take(length) ? this.bytes.toString('utf8', this.pos - length, this.pos) : '';
  }

  /** Reads a key that is known to follow `shape`, without making a text of it; null, and nothing read, for another. */
  nearKey(shape: KeyShape): KeyShape | null {
    const before = this.pos;
    const length = this.uint32();
    if (this.fault === null && this.pos + length <= this.limit) {
      const near = shape.nearBy(this.bytes, this.pos, this.pos + length);
      if (near !== null) {
        this.pos += length;
        return near;
      }
    }
    if (this.fault === null) this.pos = before;
    return null;
  }

  /** A copy, so that the request's buffer can go. */
  blob(): Uint8Array {
    const length = this.uint32();
    return this.take(length) ? new Uint8Array(this.bytes.subarray(this.pos - length, this.pos)) : new Uint8Array();
  }

  /** An id of `size` bytes as lower-case hex; '' when absent or all zero, null when it has another length. */
  id(size: number): string | null {
    const length = this.uint32();
    if (!this.take(length) || length === 0) return '';
    if (length !== size) return null;
    const start = this.pos - length;
    for (let i = start; i < this.pos; i++) {
      if (this.bytes[i] !== 0) return this.bytes.toString('hex', start, this.pos);
    }
    return '';
  }

  /** Steps over a field of any wire type, unknown groups included. */
  skip(tag: number, depth = 0): void {
    switch (tag & 7) {
      case WIRE_VARINT:
        this.skipVarint();
        return;
      case WIRE_FIXED64:
        this.take(8);
        return;
      case WIRE_FIXED32:
        this.take(4);
        return;
      case WIRE_BYTES:
        this.take(this.uint32());
        return;
      case WIRE_GROUP_START:
        this.skipGroup(tag >>> 3, depth + 1);
        return;
      default:
        if (this.fault === null) this.fail('malformed_protobuf', `wire type ${tag & 7} where none may stand`);
    }
  }

  private skipGroup(field: number, depth: number): void {
    if (depth > GROUP_DEPTH_MAX) this.fail('too_deep', `groups nested beyond ${GROUP_DEPTH_MAX}`);
    while (this.more()) {
      const tag = this.tag();
      if ((tag & 7) !== WIRE_GROUP_END) this.skip(tag, depth);
      else if (tag >>> 3 === field) return;
      else this.fail('malformed_protobuf', 'a group closed by the end of another');
    }
    if (this.fault === null) this.truncated();
  }

  private skipVarint(): void {
    for (let i = 0; i < 10; i++) {
      if (this.pos >= this.limit) {
        this.truncated();
        return;
      }
      if ((this.bytes[this.pos++] ?? 0) < 0x80) return;
    }
    this.fail('malformed_protobuf', 'a varint longer than 10 bytes');
  }

  /** Moves `length` bytes on; false (and a fault) when they are not there. */
  private take(length: number): boolean {
    if (this.fault !== null) return false;
    if (this.pos + length > this.limit) {
      this.truncated();
      return false;
    }
    this.pos += length;
    return true;
  }

  private truncated(): 0 {
    if (this.fault === null) this.fail('malformed_protobuf', 'the bytes end inside a field');
    return 0;
  }
}

/** Two unsigned halves to a signed 64-bit value; a number where that is exact. */
const joinSigned = (low: number, high: number): number | bigint => {
  const signed = high >= 0x8000_0000 ? high - 0x1_0000_0000 : high;
  const value = signed * 0x1_0000_0000 + low;
  return Number.isSafeInteger(value) ? value : (BigInt(signed) << 32n) + BigInt(low);
};
