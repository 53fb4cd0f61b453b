import { expect, test } from 'vitest';
import { partitionOf } from '../../services/runtime/event-log/murmur2.ts';
import type { LogRecord } from '../../services/runtime/ports.ts';
import { bytes, type ContractContext, codeOf, joinGroup, record, text, topicSpec, until } from './event-log-fixture.ts';

/** Every record of a topic, read by a group of its own. */
const readAll = async (context: ContractContext, topic: string, count: number): Promise<readonly LogRecord[]> => {
  const member = await joinGroup(context.under().log, { group: context.unique('reader'), topics: [topic] });
  context.defer(member.close);
  const records = (): LogRecord[] => member.seen.flatMap(({ batch }) => batch.records);
  await until(`${count} records read`, () => records().length >= count, context.deadlineMs);
  return records();
};

/** Promises about `append`, `ensureTopics`, `ranges` and `logId`. */
export const describeAppend = (context: ContractContext): void => {
  const freshTopic = async (partitions = 2): Promise<string> => {
    const topic = context.unique('topic');
    await context.under().log.ensureTopics([topicSpec(topic, partitions)]);
    return topic;
  };

  test('append answers positions in the order given, contiguous within a partition', async () => {
    const { log } = context.under();
    const topic = await freshTopic();
    const records = Array.from({ length: 20 }, (_, n) => record(topic, `v${n}`, { partition: n % 2 }));
    const first = await log.append(records);
    const second = await log.append(records);
    expect([...first, ...second].map((p) => [p.topic, p.partition, p.offset])).toEqual(
      Array.from({ length: 40 }, (_, n) => [topic, n % 2, Math.floor(n / 2)]),
    );
    const ranges = [...(await log.ranges(topic))].sort((a, b) => a.partition - b.partition);
    expect(ranges).toEqual([0, 1].map((partition) => ({ partition, start: 0, end: 20 })));
  });

  test('records of many concurrent appends all get a place of their own', async () => {
    const { log } = context.under();
    const topic = await freshTopic();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        log.append([record(topic, `a${n}`, { key: `k${n}` }), record(topic, `b${n}`, { key: `k${n}` })]),
      ),
    );
    const places = answers.flat().map((p) => `${p.partition}/${p.offset}`);
    expect(new Set(places).size).toBe(100);
    for (const [a, b] of answers) expect(b?.offset).toBeGreaterThan(a?.offset ?? Number.NaN);
    expect((await readAll(context, topic, 100)).map((r) => text(r.value)).sort()).toEqual(
      Array.from({ length: 100 }, (_, n) => `${n < 50 ? 'a' : 'b'}${n % 50}`).sort(),
    );
  });

  test('a key meets the partition murmur2 says, and a null key spreads', async () => {
    const { log } = context.under();
    const topic = await freshTopic(3);
    const keys = ['21', 'foobar', 'tenant|run-ü', 'x', 'y', 'z'];
    const keyed = await log.append(keys.map((key) => record(topic, key, { key })));
    expect(keyed.map((p) => p.partition)).toEqual(keys.map((key) => partitionOf(key, 3)));
    const again = await log.append(keys.map((key) => record(topic, key, { key })));
    expect(again.map((p) => p.partition)).toEqual(keyed.map((p) => p.partition));
    const spread = [];
    for (let n = 0; n < 30; n += 1) spread.push(...(await log.append([record(topic, `n${n}`)])));
    expect(new Set(spread.map((p) => p.partition)).size).toBeGreaterThan(1);
  });

  test('bytes ≥ 0x80, headers, null keys and empty values come back as they were', async () => {
    const { log } = context.under();
    const topic = await freshTopic(1);
    const all = Uint8Array.from({ length: 256 }, (_, n) => n);
    // A view into a larger buffer: only the view is the value.
    const view = Uint8Array.from({ length: 64 }, (_, n) => 255 - n).subarray(10, 20);
    await log.append([
      { topic, key: null, value: all },
      { topic, key: 'schlüssel', value: new Uint8Array(0), headers: { 'x-tacho-tenant': 'ä"\\n', empty: '' } },
      { topic, key: '', value: view },
    ]);
    const [first, second, third] = await readAll(context, topic, 3);
    expect([first?.key, Uint8Array.from(first?.value ?? []), first?.headers]).toEqual([null, all, {}]);
    expect(text(second?.key ?? new Uint8Array())).toBe('schlüssel');
    expect([second?.value.length, second?.headers]).toEqual([0, { 'x-tacho-tenant': 'ä"\\n', empty: '' }]);
    expect([third?.key?.length, Uint8Array.from(third?.value ?? [])]).toEqual([0, Uint8Array.from(view)]);
  });

  test('what the caller does to its buffer after append changes nothing', async () => {
    const { log } = context.under();
    const topic = await freshTopic(1);
    const value = bytes('before');
    await log.append([{ topic, key: null, value }]);
    value.fill(0);
    expect((await readAll(context, topic, 1)).map((r) => text(r.value))).toEqual(['before']);
  });

  test('a record of 5 MiB passes, also alone beyond the batch size', async () => {
    const { log } = context.under();
    const topic = await freshTopic(1);
    const value = Uint8Array.from({ length: 5 * 1024 * 1024 }, (_, n) => (n * 31) % 251);
    await log.append([record(topic, 'small'), { topic, key: null, value }, record(topic, 'after')]);
    const records = await readAll(context, topic, 3);
    expect(records.map((r) => r.value.length)).toEqual([5, value.length, 5]);
    expect(Buffer.compare(records[1]?.value ?? new Uint8Array(), value)).toBe(0);
  });

  test('a record above the topic limit is refused and not worth trying again', async () => {
    const { log } = context.under();
    const topic = context.unique('small');
    await log.ensureTopics([{ ...topicSpec(topic, 1), recordBytesMax: 20_000 }]);
    const oversized = log.append([{ topic, key: null, value: new Uint8Array(50_000) }]);
    await expect(oversized).rejects.toMatchObject({ code: 'LOG_RECORD_TOO_LARGE', retryable: false });
    expect(await log.append([record(topic, 'fits')])).toHaveLength(1);
  });

  test('append of nothing is nothing, and an aborted append says so', async () => {
    const { log } = context.under();
    const topic = await freshTopic(1);
    expect(await log.append([])).toEqual([]);
    expect(await codeOf(log.append([record(topic, 'x')], AbortSignal.abort()))).toBe('ABORTED');
  });

  test('timestamps never go backwards within a partition', async () => {
    const { log } = context.under();
    const topic = await freshTopic(1);
    for (let n = 0; n < 20; n += 1) await log.append([record(topic, `${n}`)]);
    const stamps = (await readAll(context, topic, 20)).map((r) => r.timestampMs);
    expect(stamps).toEqual([...stamps].sort((a, b) => a - b));
    expect(stamps[0]).toBeGreaterThan(Date.UTC(2020));
  });

  test('creating a topic again leaves it as it is; a missing one has no ranges', async () => {
    const { log } = context.under();
    const topic = await freshTopic(2);
    await log.append([record(topic, 'kept')]);
    const logId = await log.logId(topic);
    await log.ensureTopics([topicSpec(topic, 2), topicSpec(context.unique('other'), 1)]);
    expect(await log.logId(topic)).toBe(logId);
    expect((await log.ranges(topic)).reduce((sum, range) => sum + range.end, 0)).toBe(1);
    expect(await log.ranges(context.unique('missing'))).toEqual([]);
    await log.ping();
  });

  test('two clients see one log: records, ranges and identity', async () => {
    const { log, openSecond } = context.under();
    const topic = await freshTopic(1);
    const second = await openSecond();
    context.defer(second.close);
    await log.append([record(topic, 'one')]);
    await second.append([record(topic, 'two')]);
    expect(await second.logId(topic)).toBe(await log.logId(topic));
    expect(await second.ranges(topic)).toEqual(await log.ranges(topic));
    expect((await readAll(context, topic, 2)).map((r) => text(r.value))).toEqual(['one', 'two']);
  });

  test('a log made anew has another identity', async ({ skip }) => {
    const { log, remake } = context.under();
    if (remake === undefined) return skip();
    const topic = await freshTopic(1);
    await log.append([record(topic, 'old')]);
    const before = await log.logId(topic);
    const anew = await remake(topic);
    context.defer(anew.close);
    await anew.ensureTopics([topicSpec(topic, 1)]);
    expect(await anew.logId(topic)).not.toBe(before);
    expect(await anew.ranges(topic)).toEqual([{ partition: 0, start: 0, end: 0 }]);
  });
};
