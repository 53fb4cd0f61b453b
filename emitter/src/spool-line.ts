import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kept, OutboundRecord, WaitingLine } from './outbound.ts';
import { encodeFrame, FRAME_BYTES_MAX } from './spool-frame.ts';
import { type Lane, type Lanes, MARK_FILE, openLanes } from './spool-lanes.ts';
import { type FrameReader, findSegments, markText, newestNumber, openFrames, type Segment } from './spool-segments.ts';
import { type Frame, SegmentWriter, type SpoolSettings } from './spool-writer.ts';

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
  readonly frames: readonly Frame[];
  /** How many of them, from the first, the disk took. */
  readonly done: (written: number) => void;
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
  readonly #ready: Promise<void>;
  readonly #marks = new Map<Lane, FileHandle>();
  #segments: Segment[] = [];
  readonly #writing: SegmentWriter;
  #reader: { readonly segment: Segment; readonly frames: FrameReader } | null = null;
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
    const first = newestNumber(lanes.own) + 1;
    this.#writing = new SegmentWriter(lanes.own, first, settings, (segment) => this.#segments.push(segment));
    this.#ready = this.#recover(first);
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
    const frames: Frame[] = [];
    const kept: Kept[] = [];
    for (const record of records) {
      const bytes = encodeFrame(record);
      const isFull = this.#diskBytes + this.#pendingBytes + bytes.length > this.#settings.bytesMax;
      kept.push(isFull || bytes.length > FRAME_BYTES_MAX ? 'full' : 'kept');
      if (kept.at(-1) !== 'kept') continue;
      frames.push({ bytes, items: record.items });
      this.#pendingBytes += bytes.length;
    }
    if (frames.length === 0) return kept;
    let written = await new Promise<number>((done) => {
      this.#writes.push({ frames, done });
      this.#writer ??= this.#write();
    });
    return kept.map((one) => (one === 'kept' && written-- <= 0 ? 'failed' : one));
  }

  /** Writes what waits, together: one write at a time, in the order of the offers. Never throws. */
  async #write(): Promise<void> {
    while (this.#writes.length > 0) {
      const writes = this.#writes;
      this.#writes = [];
      const frames = writes.flatMap((write) => write.frames);
      let written = await this.#writing.append(frames);
      for (const { bytes, items } of frames.slice(0, written)) {
        this.#records += 1;
        this.#items += items;
        this.#diskBytes += bytes.length;
      }
      this.#pendingBytes -= frames.reduce((sum, { bytes }) => sum + bytes.length, 0);
      for (const write of writes) {
        write.done(Math.max(0, Math.min(written, write.frames.length)));
        written -= write.frames.length;
      }
    }
    this.#writer = null;
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
      if (front === this.#writing.segment) break;
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
    if (front.at >= front.length && front !== this.#writing.segment) return this.#drop(front);
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
    await this.#writing.close();
    this.#reader = null;
    for (const segment of [...this.#segments]) {
      if (segment.at >= segment.length) await rm(segment.path, { force: true }).catch(() => {});
    }
    for (const lane of [this.#lanes.own, ...this.#lanes.orphans]) await this.#release(lane);
  }
}
