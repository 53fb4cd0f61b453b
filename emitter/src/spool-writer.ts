import { type FileHandle, open } from 'node:fs/promises';
import type { Lane } from './spool-lanes.ts';
import { newSegment, type Segment } from './spool-segments.ts';

/** Files of this size are few, and each that was sent gives its room back. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
/** A spool has at least so many segments, so that a full one has room again when an eighth of it was sent. */
const SEGMENTS_MIN = 8;

export interface SpoolSettings {
  readonly dir: string;
  readonly bytesMax: number;
  readonly fsync: 'never' | 'always';
  /** Told of what went wrong with the disk; constant sentences. */
  readonly complain: (message: string, error: unknown) => void;
}

/** An encoded record. */
export interface Frame {
  readonly bytes: Buffer;
  readonly items: number;
}

/** Appends frames to segments of one lane, each at most its size and one frame more. One `append` at a time. */
export class SegmentWriter {
  readonly #lane: Lane;
  readonly #settings: SpoolSettings;
  readonly #segmentBytes: number;
  readonly #began: (segment: Segment) => void;
  #active: { readonly segment: Segment; readonly handle: FileHandle } | null = null;
  #nextNumber: number;

  constructor(lane: Lane, firstNumber: number, settings: SpoolSettings, began: (segment: Segment) => void) {
    this.#lane = lane;
    this.#settings = settings;
    this.#segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(settings.bytesMax / SEGMENTS_MIN));
    this.#nextNumber = firstNumber;
    this.#began = began;
  }

  /** The segment that may still grow; null between two. */
  get segment(): Segment | null {
    return this.#active?.segment ?? null;
  }

  /** How many of the frames, from the first, the disk took. Never throws. */
  async append(frames: readonly Frame[]): Promise<number> {
    let written = 0;
    try {
      while (written < frames.length) written += await this.#appendSome(frames.slice(written));
    } catch (error) {
      this.#settings.complain('the spool cannot be written: records are dropped', error);
      // What it holds beyond `length` is the beginning of a frame: nothing may be written behind it.
      const broken = this.#active;
      this.#active = null;
      await broken?.handle.truncate(broken.segment.length).catch(() => {});
      await broken?.handle.close().catch(() => {});
    }
    return written;
  }

  async close(): Promise<void> {
    const last = this.#active;
    this.#active = null;
    await last?.handle.close().catch(() => {});
  }

  /** As many as the segment has room for, however much is offered at once: each gives its room back by itself. */
  async #appendSome(frames: readonly Frame[]): Promise<number> {
    const { segment, handle } = await this.#room();
    let count = 0;
    for (let bytes = segment.length; count < frames.length && bytes < this.#segmentBytes; count++) {
      bytes += frames[count]?.bytes.length ?? 0;
    }
    const buffer = Buffer.concat(frames.slice(0, count).map(({ bytes }) => bytes));
    for (let at = 0; at < buffer.length; ) {
      const { bytesWritten } = await handle.write(buffer, at, buffer.length - at, segment.length + at);
      at += bytesWritten;
    }
    if (this.#settings.fsync === 'always') await handle.datasync();
    segment.length += buffer.length;
    return count;
  }

  async #room(): Promise<{ readonly segment: Segment; readonly handle: FileHandle }> {
    if (this.#active !== null && this.#active.segment.length < this.#segmentBytes) return this.#active;
    await this.close();
    const segment = newSegment(this.#lane, this.#nextNumber);
    // Also when it cannot be made: the next attempt takes another name.
    this.#nextNumber += 1;
    const handle = await open(segment.path, 'wx', 0o600);
    this.#active = { segment, handle };
    this.#began(segment);
    return this.#active;
  }
}
