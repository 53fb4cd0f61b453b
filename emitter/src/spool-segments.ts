import { existsSync, readFileSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutboundRecord } from './outbound.ts';
import { type FrameRead, readFrame } from './spool-frame.ts';
import { type Lane, MARK_FILE, segmentNames } from './spool-lanes.ts';

/** A file of frames. Bytes from `length` on are not ours to read: the tail of a write that did not end. */
export interface Segment {
  readonly lane: Lane;
  readonly number: number;
  readonly path: string;
  length: number;
  /** Where the first unconfirmed frame begins. */
  at: number;
}

/** What is found of the process before. */
export interface FoundSegments {
  readonly segments: readonly Segment[];
  readonly records: number;
  readonly items: number;
  readonly bytes: number;
  /** Bytes that are no frames: torn by a crash, or broken on disk. Everything before them is kept. */
  readonly damagedBytes: number;
}

const NAME_DIGITS = 8;
/** Read at a time: one request to the broker, so that it comes from one read. */
const CHUNK_BYTES = 1024 * 1024;

/** A new, empty segment of a lane. */
export const newSegment = (lane: Lane, number: number): Segment => ({
  lane,
  number,
  path: join(lane.dir, `${String(number).padStart(NAME_DIGITS, '0')}.seg`),
  length: 0,
  at: 0,
});

/** Number of the newest segment a lane had, sent ones too: below its mark a new segment would count as sent. 0: none. */
export const newestNumber = (lane: Lane): number =>
  Math.max(Number.parseInt(segmentNames(lane.dir).at(-1) ?? '0', 10), readMark(lane)?.number ?? 0);

/** Reads a lane through and counts what was not confirmed. Files without such a record are deleted. */
export const findSegments = async (lane: Lane, below: number): Promise<FoundSegments> => {
  const mark = readMark(lane);
  const segments: Segment[] = [];
  const sums = { records: 0, items: 0, bytes: 0, damagedBytes: 0 };
  for (const name of segmentNames(lane.dir)) {
    const number = Number.parseInt(name, 10);
    if (number >= below) continue;
    const segment = newSegment(lane, number);
    const from =
      mark === null || number > mark.number ? 0 : number === mark.number ? mark.at : Number.POSITIVE_INFINITY;
    const found = await scan(segment, from);
    sums.damagedBytes += found.damagedBytes;
    if (found.records === 0) {
      await rm(segment.path, { force: true });
      continue;
    }
    segments.push(segment);
    sums.records += found.records;
    sums.items += found.items;
    sums.bytes += found.bytes;
  }
  return { segments, ...sums };
};

/** Counts the frames that begin at `from` or later and sets the segment to them. */
const scan = async (segment: Segment, from: number): Promise<Omit<FoundSegments, 'segments'>> => {
  const reader = await openFrames(segment.path);
  try {
    const sums = { records: 0, items: 0, bytes: 0, damagedBytes: 0 };
    const size = await reader.size();
    let at = 0;
    for (;;) {
      const frame = await reader.read(at, size);
      if (frame === null) break;
      if (at >= from) {
        if (sums.records === 0) segment.at = at;
        sums.records += 1;
        sums.items += frame.record.items;
        sums.bytes += frame.bytes;
      }
      at += frame.bytes;
    }
    segment.length = at;
    return { ...sums, damagedBytes: size - at };
  } finally {
    await reader.close();
  }
};

/** Frames of one file. */
export interface FrameReader {
  /** The frame that begins at `at` and ends at or before `end`; null when there is none. */
  readonly read: (
    at: number,
    end: number,
  ) => Promise<{ readonly record: OutboundRecord; readonly bytes: number } | null>;
  readonly size: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** Opens a segment for reading, in chunks: consecutive frames cost one read of the disk together. */
export const openFrames = async (path: string): Promise<FrameReader> => {
  const handle = await open(path, 'r');
  let start = 0;
  let chunk = Buffer.alloc(0);
  const inChunk = (at: number): FrameRead =>
    readFrame(chunk, at < start || at > start + chunk.length ? chunk.length : at - start);
  return {
    read: async (at, end) => {
      let read = inChunk(at);
      // Twice at most: once for the length of the frame, once more when it is longer than a chunk.
      for (let loads = 0; loads < 2 && read.kind === 'short' && at + read.bytes <= end; loads++) {
        start = at;
        chunk = await readAt(handle, at, Math.min(Math.max(read.bytes, CHUNK_BYTES), end - at));
        read = inChunk(at);
      }
      return read.kind === 'record' && at + read.bytes <= end ? read : null;
    },
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
};

/** Exactly the bytes that are there, `bytes` at most. */
const readAt = async (handle: FileHandle, at: number, bytes: number): Promise<Buffer<ArrayBuffer>> => {
  const buffer = Buffer.alloc(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await handle.read(buffer, filled, bytes - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
};

const readMark = (lane: Lane): { readonly number: number; readonly at: number } | null => {
  const path = join(lane.dir, MARK_FILE);
  const found = existsSync(path) ? /^(\d{8}) (\d{12})\n$/.exec(readFileSync(path, 'utf8')) : null;
  return found === null ? null : { number: Number(found[1]), at: Number(found[2]) };
};

/** How far a lane was confirmed, always of the same length: written over in place, it is never half of another. */
export const markText = (segment: Segment): string =>
  `${String(segment.number).padStart(NAME_DIGITS, '0')} ${String(segment.at).padStart(12, '0')}\n`;
