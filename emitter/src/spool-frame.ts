import { crc32 } from 'node:zlib';
import type { OutboundRecord } from './outbound.ts';

/**
 * A record in a segment of the spool: length and CRC-32 of the rest (uint32, big-endian), length of the head (uint32),
 * the head as JSON, the value.
 */
export const FRAME_HEAD_BYTES = 8;
/** A span of the largest size taken (20 MiB) with room for its head: a longer length is damage. */
export const FRAME_BYTES_MAX = 24 * 1024 * 1024;

/** The record as a frame. */
export const encodeFrame = ({ topic, key, value, headers, items }: OutboundRecord): Buffer => {
  const head = Buffer.from(JSON.stringify({ topic, key, headers, items }));
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + 4 + head.length + value.length);
  frame.writeUInt32BE(frame.length - FRAME_HEAD_BYTES, 0);
  frame.writeUInt32BE(head.length, FRAME_HEAD_BYTES);
  head.copy(frame, FRAME_HEAD_BYTES + 4);
  frame.set(value, FRAME_HEAD_BYTES + 4 + head.length);
  frame.writeUInt32BE(crc32(frame.subarray(FRAME_HEAD_BYTES)), 4);
  return frame;
};

/** What stands at a place of a segment. 'short': `bytes` from here on are needed to tell. */
export type FrameRead =
  | { readonly kind: 'record'; readonly record: OutboundRecord; readonly bytes: number }
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'damaged' };

/** Reads the frame at `at`. Whatever the bytes are, it never throws. */
export const readFrame = (bytes: Buffer, at: number): FrameRead => {
  if (bytes.length - at < FRAME_HEAD_BYTES) return { kind: 'short', bytes: FRAME_HEAD_BYTES };
  const length = bytes.readUInt32BE(at);
  if (length < 4 || length > FRAME_BYTES_MAX) return { kind: 'damaged' };
  const end = at + FRAME_HEAD_BYTES + length;
  if (end > bytes.length) return { kind: 'short', bytes: FRAME_HEAD_BYTES + length };
  const body = bytes.subarray(at + FRAME_HEAD_BYTES, end);
  if (crc32(body) !== bytes.readUInt32BE(at + 4)) return { kind: 'damaged' };
  const headBytes = body.readUInt32BE(0);
  if (headBytes > body.length - 4) return { kind: 'damaged' };
  const head = headOf(body.toString('utf8', 4, 4 + headBytes));
  if (head === null) return { kind: 'damaged' };
  // A copy: the chunk it was read in is used again.
  const value = new Uint8Array(body.subarray(4 + headBytes));
  return { kind: 'record', record: { ...head, value }, bytes: FRAME_HEAD_BYTES + length };
};

const headOf = (text: string): Omit<OutboundRecord, 'value'> | null => {
  try {
    const { topic, key, headers, items } = JSON.parse(text);
    if (typeof topic !== 'string' || typeof key !== 'string' || !Number.isSafeInteger(items)) return null;
    if (typeof headers !== 'object' || headers === null) return null;
    if (!Object.values(headers).every((text) => typeof text === 'string')) return null;
    return { topic, key, headers, items };
  } catch {
    return null;
  }
};
