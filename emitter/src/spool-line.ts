import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kept, OutboundRecord, WaitingLine } from './outbound.ts';
import { encodeFrame, FRAME_BYTES_MAX } from './spool-frame.ts';
import { type Lane, type Lanes, MARK_FILE, openLanes } from './spool-lanes.ts';
import {
  type FrameReader,
  findSegments,
  markText,
  newestNumber,
  newSegment,
  openFrames,
  type Segment,
} from './spool-segments.ts';

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

/** What a spool counts besides what waits in it. */
export interface SpoolCounts {
  /** Items found at the start, left by a process before. */
  readonly recoveredItems: number;
  readonly damagedBytes: number;
  readonly diskBytes: number;
}

export interface SpoolLine extends WaitingLine {
  readonly counts: () => SpoolCounts;
}

interface Write {
  readonly frames: readonly Buffer[];
  readonly bytes: number;
  readonly records: number;
  readonly items: number;
  readonly done: (isWritten: boolean) => void;
}

/**
 * A line on disk. A record is kept once the kernel has its bytes (with fsync 'always': the disk), so it outlives the
 * process however that ends; a process that starts later sends it first, in order. What a crash between sending and
 * marking sends twice, the store recognises by its identity. Throws when the folder cannot be used.
 */
export const openSpoolLine = (settings: SpoolSettings): SpoolLine => new Spool(settings, openLanes(settings.dir));

class Spool implements SpoolLine {
  readonly isDurable = true;
  readonly #settings: SpoolSettings;
  readonly #lanes: Lanes;
  readonly #segmentBytes: number;
  readonly #ready: Promise<void>;
  readonly #marks = new Map<Lane, FileHandle>();
  #segments: Segment[] = [];
  #active: { readonly segment: Segment; readonly handle: FileHandle } | null = null;
  #reader: { readonly segment: Segment; readonly frames: FrameReader } | null = null;
  #nextNumber: number;
  #writes: Write[] = [];
  #writer: Promise<void> | null = null;
  #taken: { readonly record: OutboundRecord; readonly bytes: number }[] = [];
  #pendingBytes = 0;
  #diskBytes = 0;
  #records = 0;
  #items = 0;
  #recoveredItems = 0;
  #damagedBytes = 0;

  constructor(settings: SpoolSettings, lanes: Lanes) {
    this.#settings = settings;
    this.#lanes = lanes;
    this.#segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(settings.bytesMax / SEGMENTS_MIN));
    this.#nextNumber = newestNumber(lanes.own) + 1;
    this.#ready = this.#recover(this.#nextNumber);
  }

  async #recover(below: number): Promise<void> {
    for (const lane of [this.#lanes.own, ...this.#lanes.orphans]) {
      try {
        const found = await findSegments(lane, lane === this.#lanes.own ? below : Number.POSITIVE_INFINITY);
        // In front of what was written meanwhile.
        const before = this.#segments.filter((segment) => segment.lane !== this.#lanes.own || segment.number < below);
        this.#segments = [...before, ...found.segments, ...this.#segments.filter((one) => !before.includes(one))];
        this.#records += found.records;
        this.#items += found.items;
        this.#recoveredItems += found.items;
        this.#damagedBytes += found.damagedBytes;
        this.#diskBytes += found.segments.reduce((sum, { length }) => sum + length, 0);
        if (found.segments.length === 0 && lane !== this.#lanes.own) lane.release();
      } catch (error) {
        this.#settings.complain('a lane of the spool cannot be read: its records stay there', error);
      }
    }
  }

  async offer(records: readonly OutboundRecord[]): Promise<readonly Kept[]> {
    const frames: Buffer[] = [];
    const kept: Kept[] = [];
    let bytes = 0;
    let items = 0;
    for (const record of records) {
      const frame = encodeFrame(record);
      const isFull = this.#diskBytes + this.#pendingBytes + bytes + frame.length > this.#settings.bytesMax;
      kept.push(isFull || frame.length > FRAME_BYTES_MAX ? 'full' : 'kept');
      if (kept.at(-1) !== 'kept') continue;
      frames.push(frame);
      bytes += frame.length;
      items += record.items;
    }
    if (frames.length === 0) return kept;
    this.#pendingBytes += bytes;
    const isWritten = await new Promise<boolean>((done) => {
      this.#writes.push({ frames, bytes, records: frames.length, items, done });
      this.#writer ??= this.#write();
    });
    return isWritten ? kept : kept.map((one) => (one === 'kept' ? 'failed' : one));
  }

  /** Writes what waits, together: one write at a time, in the order of the offers. Never throws. */
  async #write(): Promise<void> {
    while (this.#writes.length > 0) {
      const writes = this.#writes;
      this.#writes = [];
      const bytes = writes.reduce((sum, write) => sum + write.bytes, 0);
      const isWritten = await this.#append(Buffer.concat(writes.flatMap(({ frames }) => frames)));
      this.#pendingBytes -= bytes;
      for (const write of writes) {
        if (isWritten) {
          this.#records += write.records;
          this.#items += write.items;
        }
        write.done(isWritten);
      }
    }
    this.#writer = null;
  }

  async #append(bytes: Buffer): Promise<boolean> {
    try {
      const { segment, handle } = await this.#room();
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, segment.length + at);
        at += bytesWritten;
      }
      if (this.#settings.fsync === 'always') await handle.datasync();
      segment.length += bytes.length;
      this.#diskBytes += bytes.length;
      return true;
    } catch (error) {
      this.#settings.complain('the spool cannot be written: records are dropped', error);
      // What it holds beyond `length` is the beginning of a frame: nothing may be written behind it.
      const broken = this.#active;
      this.#active = null;
      await broken?.handle.truncate(broken.segment.length).catch(() => {});
      await broken?.handle.close().catch(() => {});
      return false;
    }
  }

  /** The segment to write to: a new one when the last is full. */
  async #room(): Promise<{ readonly segment: Segment; readonly handle: FileHandle }> {
    if (this.#active !== null && this.#active.segment.length < this.#segmentBytes) return this.#active;
    const full = this.#active;
    this.#active = null;
    await full?.handle.close();
    const segment = newSegment(this.#lanes.own, this.#nextNumber);
    this.#nextNumber += 1;
    const handle = await open(segment.path, 'wx', 0o600);
    this.#segments.push(segment);
    this.#active = { segment, handle };
    return this.#active;
  }

  async take(recordsMax: number, bytesMax: number): Promise<readonly OutboundRecord[]> {
    await this.#ready;
    this.#taken = [];
    for (let front = this.#segments[0]; front !== undefined; front = this.#segments[0]) {
      await this.#fill(front, recordsMax, bytesMax).catch((error: unknown) => {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      });
      if (this.#taken.length > 0) break;
      if (front.at < front.length) {
        this.#settings.complain('a segment of the spool is damaged: its rest is skipped', front.path);
        this.#damagedBytes += front.length - front.at;
        front.at = front.length;
      }
      if (front === this.#active?.segment) break;
      await this.#drop(front);
    }
    // Nothing is left to read: what was counted and could not be read back is gone.
    if (this.#taken.length === 0 && this.#writer === null) {
      this.#records = 0;
      this.#items = 0;
    }
    return this.#taken.map(({ record }) => record);
  }

  async #fill(front: Segment, recordsMax: number, bytesMax: number): Promise<void> {
    if (front.at >= front.length) return;
    const frames = await this.#open(front);
    let at = front.at;
    let bytes = 0;
    while (this.#taken.length < recordsMax && at < front.length) {
      const found = await frames.read(at, front.length);
      if (found === null || (this.#taken.length > 0 && bytes + found.bytes > bytesMax)) return;
      this.#taken.push(found);
      at += found.bytes;
      bytes += found.bytes;
    }
  }

  async #open(front: Segment): Promise<FrameReader> {
    if (this.#reader?.segment === front) return this.#reader.frames;
    await this.#reader?.frames.close();
    this.#reader = null;
    this.#reader = { segment: front, frames: await openFrames(front.path) };
    return this.#reader.frames;
  }

  async confirm(count: number): Promise<void> {
    const front = this.#segments[0];
    if (front === undefined) return;
    for (const { record, bytes } of this.#taken.splice(0, count)) {
      front.at += bytes;
      this.#records -= 1;
      this.#items -= record.items;
    }
    if (front.at >= front.length && front !== this.#active?.segment) return this.#drop(front);
    await this.#mark(front);
  }

  /** Not synced: a mark that a power loss takes back only sends again what the store recognises. */
  async #mark(front: Segment): Promise<void> {
    try {
      let handle = this.#marks.get(front.lane);
      if (handle === undefined) {
        handle = await open(join(front.lane.dir, MARK_FILE), 'w', 0o600);
        this.#marks.set(front.lane, handle);
      }
      await handle.write(markText(front), 0);
    } catch (error) {
      this.#settings.complain('the mark of the spool cannot be written: a restart sends some records again', error);
    }
  }

  async #drop(front: Segment): Promise<void> {
    this.#segments.shift();
    this.#diskBytes -= front.length;
    if (this.#reader?.segment === front) {
      await this.#reader.frames.close().catch(() => {});
      this.#reader = null;
    }
    await rm(front.path, { force: true }).catch((error: unknown) => {
      this.#settings.complain('a sent segment of the spool cannot be deleted', error);
    });
    if (front.lane !== this.#lanes.own && this.#segments.every(({ lane }) => lane !== front.lane)) {
      await this.#release(front.lane);
    }
  }

  async #release(lane: Lane): Promise<void> {
    await this.#marks
      .get(lane)
      ?.close()
      .catch(() => {});
    this.#marks.delete(lane);
    lane.release();
  }

  waiting(): { readonly records: number; readonly items: number; readonly bytes: number } {
    return { records: this.#records, items: this.#items, bytes: this.#diskBytes + this.#pendingBytes };
  }

  counts(): SpoolCounts {
    return { recoveredItems: this.#recoveredItems, damagedBytes: this.#damagedBytes, diskBytes: this.#diskBytes };
  }

  async close(): Promise<void> {
    await this.#ready;
    await this.#writer;
    await this.#reader?.frames.close().catch(() => {});
    await this.#active?.handle.close().catch(() => {});
    this.#reader = null;
    this.#active = null;
    for (const segment of [...this.#segments]) {
      if (segment.at >= segment.length) await rm(segment.path, { force: true }).catch(() => {});
    }
    for (const lane of [this.#lanes.own, ...this.#lanes.orphans]) await this.#release(lane);
  }
}
