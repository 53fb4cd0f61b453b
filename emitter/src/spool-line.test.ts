import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OutboundRecord } from './outbound.ts';
import { openSpoolLine, type SpoolLine } from './spool-line.ts';
import type { SpoolSettings } from './spool-writer.ts';

let dir: string;
const complaints: string[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tacho-spool-'));
  complaints.length = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (change: Partial<SpoolSettings> = {}): SpoolLine =>
  openSpoolLine({
    ...{ dir, bytesMax: 64 * 1024 * 1024, fsync: 'never', complain: (message) => complaints.push(message) },
    ...change,
  });
const recordOf = (id: number, bytes = 100): OutboundRecord => ({
  topic: 't',
  key: `k${id}`,
  value: Buffer.alloc(bytes, `${id} `),
  headers: { h: 'é😀' },
  items: 1,
});
const range = (from: number, to: number): readonly OutboundRecord[] =>
  Array.from({ length: to - from }, (_, at) => recordOf(from + at));
const keysOf = (records: readonly OutboundRecord[]): readonly string[] => records.map(({ key }) => key);
const keys = (from: number, to: number): readonly string[] => keysOf(range(from, to));

/** Takes and confirms everything, as the loop does. */
const drain = async (line: SpoolLine, recordsMax = 7): Promise<readonly OutboundRecord[]> => {
  const all: OutboundRecord[] = [];
  for (;;) {
    const taken = await line.take(recordsMax, 100_000);
    if (taken.length === 0) return all;
    all.push(...taken);
    await line.confirm(taken.length);
  }
};
/** What a process leaves that is killed: its files as they are, nobody in possession of the lane. */
const abandon = (): void => {
  for (const lane of readdirSync(dir)) {
    const owner = JSON.parse(readFileSync(join(dir, lane, 'owner'), 'utf8'));
    writeFileSync(join(dir, lane, 'owner'), JSON.stringify({ ...owner, pid: 2 ** 22 + 1, started: 'never' }));
  }
};
const files = (suffix: string): readonly string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => join(dir, name));

describe('a spool', () => {
  test('gives back what it was given, in order and whole, and leaves no file behind', async () => {
    const line = open();
    const large = { ...recordOf(0, 3_000_000), items: 9 };
    expect(await line.offer([large, ...range(1, 50)])).toEqual(Array(50).fill('kept'));
    expect(line.waiting()).toMatchObject({ records: 50, items: 58 });
    const back = await drain(line);
    expect(keysOf(back)).toEqual(keys(0, 50));
    expect(Buffer.from(back[0]?.value ?? [])).toEqual(large.value);
    expect(back[0]).toMatchObject({ topic: 't', headers: { h: 'é😀' }, items: 9 });
    expect(line.waiting()).toMatchObject({ records: 0, items: 0 });
    await line.close();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('left by a process that was killed is sent first by the next, from the first unconfirmed record', async () => {
    const killed = open({ bytesMax: 80_000 });
    await killed.offer(range(0, 200));
    await killed.confirm((await killed.take(33, 1e6)).length);
    abandon();
    const next = open({ bytesMax: 80_000 });
    await next.offer(range(200, 220));
    expect(keysOf(await drain(next))).toEqual(keys(33, 220));
    expect(next.counts()).toMatchObject({ recoveredItems: 167, damagedBytes: 0 });
    await next.close();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('whose segments were all sent before the kill loses nothing written after the restart', async () => {
    const first = open();
    await first.offer(range(0, 10));
    await drain(first);
    abandon();
    const second = open();
    await second.offer(range(10, 20));
    await second.confirm((await second.take(5, 1e6)).length);
    abandon();
    const third = open();
    expect(keysOf(await drain(third))).toEqual(keys(15, 20));
  });

  test('with a torn or broken tail gives everything before it, counts the damage, and goes on', async () => {
    const seed = 20_261_121;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 400 }), fc.boolean(), async (cut, isFlipped) => {
        rmSync(dir, { recursive: true, force: true });
        const line = open();
        await line.offer(range(0, 20));
        abandon();
        const [segment = ''] = files('.seg');
        const { size } = statSync(segment);
        if (isFlipped) {
          const bytes = readFileSync(segment);
          bytes.writeUInt8(bytes.readUInt8(size - cut) ^ 0xff, size - cut);
          writeFileSync(segment, bytes);
        } else truncateSync(segment, size - cut);
        const next = open();
        await next.offer(range(20, 25));
        const back = keysOf(await drain(next));
        const whole = 20 - Math.ceil(cut / (size / 20));
        expect(back.slice(-5)).toEqual(keys(20, 25));
        // A flipped byte of a key or of a value is found by the checksum of its own frame.
        expect(back.slice(0, -5)).toEqual(keys(0, whole));
        expect(next.counts().recoveredItems).toBe(whole);
        expect(next.counts().damagedBytes > 0).toBe(isFlipped || cut % (size / 20) !== 0);
        await next.close();
      }),
      { seed, numRuns: 25 },
    );
  });

  test('with garbage for a mark, an owner and a segment starts all the same', async () => {
    const line = open();
    await line.offer(range(0, 5));
    const [lane = ''] = readdirSync(dir);
    writeFileSync(join(dir, lane, 'mark'), 'zzz');
    writeFileSync(join(dir, lane, 'owner'), '');
    appendFileSync(join(dir, lane, '00000002.seg'), Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    const next = open();
    expect(keysOf(await drain(next))).toEqual(keys(0, 5));
    expect(next.counts().damagedBytes).toBe(13);
  });

  test('that is full refuses the newest, keeps within its size on disk, and takes again when some was sent', async () => {
    const bytesMax = 40_000;
    const line = open({ bytesMax });
    const kept = await line.offer(range(0, 400));
    const count = kept.filter((one) => one === 'kept').length;
    expect(kept).toEqual([...Array(count).fill('kept'), ...Array(400 - count).fill('full')]);
    expect(files('.seg').reduce((sum, path) => sum + statSync(path).size, 0)).toBeLessThanOrEqual(bytesMax);
    expect(await line.offer(range(400, 401))).toEqual(['full']);
    expect(keysOf(await drain(line))).toEqual(keys(0, count));
    expect(await line.offer(range(401, 402))).toEqual(['kept']);
  });

  test('of one folder serves several emitters at a time, and the next start takes up what each of them left', async () => {
    const [a, b, c] = [open(), open(), open()];
    await a.offer(range(0, 3));
    await b.offer(range(3, 6));
    await c.offer(range(6, 9));
    expect(readdirSync(dir)).toHaveLength(3);
    abandon();
    const next = open();
    expect(keysOf(await drain(next)).toSorted()).toEqual(keys(0, 9));
    await next.close();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('that another living process holds is left alone', async () => {
    const line = open();
    await line.offer(range(0, 3));
    const other = open();
    expect(await drain(other)).toEqual([]);
    expect(keysOf(await drain(line))).toEqual(keys(0, 3));
  });

  test('whose disk fails says so, counts, and keeps what was written before', async () => {
    const line = open({ bytesMax: 8_000 });
    await line.offer(range(0, 3));
    // The next segment cannot be made: something else has its name.
    const [lane = ''] = readdirSync(dir);
    writeFileSync(join(dir, lane, '00000002.seg'), '');
    await line.offer(range(3, 6));
    expect(await line.offer(range(6, 9))).toEqual(['failed', 'failed', 'failed']);
    expect(complaints[0]).toContain('cannot be written');
    expect(keysOf(await drain(line))).toEqual(keys(0, 6));
    expect(await line.offer(range(9, 10))).toEqual(['kept']);
    expect(keysOf(await drain(line))).toEqual(keys(9, 10));
  });

  test('offered to by many at once loses nothing and keeps the order of each', async () => {
    const line = open();
    const offers = Array.from({ length: 100 }, (_, at) => line.offer(range(at * 10, at * 10 + 10)));
    const taking = drain(line);
    await Promise.all(offers);
    const back = [...(await taking), ...(await drain(line))];
    expect(keysOf(back)).toEqual(keys(0, 1000));
  });
});
