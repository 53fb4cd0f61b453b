import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { audit } from '../../services/audit/audit.ts';
import { createNormalizerTask } from '../../services/normalizer/service.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import { createMemoryEventLog, type MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Clock, EventLog, Store } from '../../services/runtime/ports.ts';
import { createStreamService, type StreamService } from '../../services/runtime/stream/service.ts';
import { silentLogger, startTestEngine, type TestEngine } from '../support/engine.ts';
import { hex, llmOf, requestOf, spanOf } from '../support/hostile.ts';
import { until } from '../support/tacho.ts';

const HOLD_MS = 60_000;
const STEPS = 'agent_steps';

/** What a store does at an insert into `spans`: as asked, or the process dies before or after it landed, or half way. */
type Fault = 'ok' | 'lost' | 'landed-unanswered' | 'half-landed';

/** Rows are taken one by one: of encoded ones no half can land. */
const faulty = ({ blocks: _encoded, ...store }: Store, table: string, plan: Fault[], die: () => void): Store => ({
  ...store,
  insert: async (into, rows, options) => {
    const fault = into === table ? (plan.shift() ?? 'ok') : 'ok';
    const half = rows.slice(0, Math.ceil(rows.length / 2));
    if (fault === 'half-landed') await store.insert(into, half, { token: `${options.token}/half` });
    if (fault === 'ok' || fault === 'landed-unanswered') await store.insert(into, rows, options);
    if (fault === 'ok') return;
    die();
    throw new TransportError('FENCED', 'the process died here', { retryable: false });
  },
});

describe('keep: agent_traces on a topic shared with ordinary services', () => {
  let engine: TestEngine;
  let log: MemoryEventLog;
  let topic: string;
  let topics = 0;
  /** The clock of log and services runs on by itself, and jumps when a test says so. */
  let jumpMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + jumpMs };
  const running: StreamService[] = [];

  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());
  beforeEach(async () => {
    topics += 1;
    topic = `shared_${topics}`;
    jumpMs = 0;
    log = createMemoryEventLog({ clock, random: systemRandom });
    const spec = { partitions: 1, retentionMs: 3_600_000_000, recordBytesMax: 1_000_000 };
    await log.ensureTopics([topic, `${topic}.dlq`, STEPS].map((name) => ({ topic: name, ...spec })));
  });
  afterEach(async () => {
    for (const service of running.splice(0)) await service.drain();
  });

  const send = async (...spans: readonly unknown[]): Promise<void> => {
    await log.append(spans.map((span) => ({ topic, key: 'k', value: Buffer.from(requestOf([span])) })));
  };
  const traceOf = () => {
    const traceId = hex(32);
    return {
      other: (name: string) => spanOf({ traceId, name }),
      agent: (name: string) => llmOf({ traceId, name }),
    };
  };

  const start = async (
    options: { store?: Store; through?: EventLog; keep?: 'all' | 'agent_traces' } = {},
  ): Promise<StreamService> => {
    const { store = engine.store, through = log, keep = 'agent_traces' } = options;
    const deps = { log: through, store, clock, logger: silentLogger, metrics: createMetrics() };
    const source = { topic, signal: 'spans', tenant: topic, tenant_from: 'header', vantage: 'agent' } as const;
    const task = createNormalizerTask(
      { sources: [{ ...source, keep, hold_ms: HOLD_MS }], content: 'full', redact: true },
      deps,
    );
    const settings = { batchRecordsMax: 10, batchBytesMax: 1_000_000, lingerMs: 5, idleMs: 20 };
    const service = createStreamService(deps, task, {
      ...settings,
      onCrash: (error) => expect.fail(String(error)),
    });
    running.push(service);
    await service.start();
    return service;
  };

  const untilTaken = (records: number): Promise<unknown> =>
    until(`${records} records taken`, async () => {
      const [row] = await engine.store.query<{ end: string }>(
        "SELECT max(end) AS end FROM batches WHERE topic = {topic:String} AND service = 'normalizer'",
        { topic },
      );
      return Number(row?.end) >= records ? true : null;
    });
  const stored = async (): Promise<readonly string[]> => {
    const rows = await engine.store.query<{ name: string }>(
      'SELECT name FROM spans WHERE log_topic = {topic:String} ORDER BY name',
      { topic },
    );
    return rows.map((row) => row.name);
  };
  const counted = async () => {
    const [row] = await engine.store.query<Record<string, string>>(
      `SELECT sum(items) AS items, sum(rows['spans']) AS rows, sum(filtered) AS filtered, sum(duplicates) AS duplicates
       FROM batches WHERE topic = {topic:String} AND service = 'normalizer'`,
      { topic },
    );
    return Object.fromEntries(Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]));
  };
  /** Everything held is over its hold: the log is quiet, and time has passed. */
  const endHolds = (times = 1): void => {
    jumpMs += times * (HOLD_MS + 5_000);
  };

  test('keeps what came before the first step of an agent, if that came within the hold, and all that comes after', async () => {
    const [asked, plain] = [traceOf(), traceOf()];
    await start();
    await send(asked.other('1 gateway'), plain.other('shop'));
    jumpMs += HOLD_MS / 2;
    await send(asked.agent('2 chat'), plain.other('shop again'));
    endHolds();
    await send(asked.other('3 late'), plain.other('shop at last'));
    endHolds();
    await untilTaken(6);
    expect(await stored()).toEqual(['1 gateway', '2 chat', '3 late']);
    expect(await counted()).toEqual({ items: 6, rows: 3, filtered: 3, duplicates: 0 });
  });

  test('a step of an agent after the hold keeps what follows it, not what was before', async () => {
    const trace = traceOf();
    await start();
    await send(trace.other('1 too early'));
    jumpMs += HOLD_MS + 1;
    await send(trace.other('2 in time'));
    jumpMs += HOLD_MS / 2;
    await send(trace.agent('3 chat'));
    jumpMs += 10 * HOLD_MS;
    await send(trace.other('4 after'));
    endHolds();
    await untilTaken(4);
    expect(await stored()).toEqual(['2 in time', '3 chat', '4 after']);
    expect(await counted()).toEqual({ items: 4, rows: 3, filtered: 1, duplicates: 0 });
  });

  test('takes nothing before its hold is over, and tells no offset beyond it', async () => {
    const trace = traceOf();
    const service = await start();
    await send(trace.other('1'));
    await until('it was read', async () => (service.report().partitions[0]?.log_end === 1 ? true : null));
    jumpMs += HOLD_MS - 1_000;
    await send(trace.other('2'));
    await until('that too', async () => (service.report().partitions[0]?.log_end === 2 ? true : null));
    expect(service.report().partitions[0]).toMatchObject({ next_offset: 0, lag: 2 });
    expect((await log.committed('tacho-normalizer', topic)).get(0)?.offset ?? 0).toBe(0);
    await service.drain();
    expect(await stored()).toEqual([]);
    endHolds();
    await start();
    await untilTaken(2);
    expect(await counted()).toMatchObject({ items: 2, filtered: 2 });
  });

  test('a span that comes twice is a duplicate when it is stored, and filtered again when it is not', async () => {
    const [asked, plain] = [traceOf(), traceOf()];
    const [gateway, chat, shop] = [asked.other('1 gateway'), asked.agent('2 chat'), plain.other('shop')];
    await start();
    await send(gateway, chat, shop, gateway, shop);
    endHolds();
    await untilTaken(5);
    await send(gateway, chat, shop);
    endHolds();
    await untilTaken(8);
    expect(await stored()).toEqual(['1 gateway', '2 chat']);
    expect(await counted()).toEqual({ items: 8, rows: 2, filtered: 3, duplicates: 3 });
  });

  test.each<[string, Fault]>([
    ['spans', 'lost'],
    ['spans', 'landed-unanswered'],
    ['spans', 'half-landed'],
    ['run_state', 'landed-unanswered'],
    ['batches', 'lost'],
  ])('killed at the insert into %s (%s), the same records decide, whatever came since', async (table, fault) => {
    for (const isOffsetLost of [false, true]) {
      topics += 1;
      topic = `shared_${topics}`;
      const spec = { partitions: 1, retentionMs: 3_600_000_000, recordBytesMax: 1_000_000 };
      await log.ensureTopics([topic, `${topic}.dlq`].map((name) => ({ topic: name, ...spec })));
      const [asked, late] = [traceOf(), traceOf()];
      let isDead = false;
      const die = (): void => {
        isDead = true;
      };
      const first = await start({ store: faulty(engine.store, table, [fault], die) });
      await send(asked.other('1'), late.other('a'), asked.other('2'), asked.agent('3'));
      endHolds();
      await until('the process died', async () => (isDead ? true : null));
      await first.drain();
      // The clock of the log goes back: by its time this is within the hold, and would keep what was decided without it.
      endHolds(-1);
      await send(late.agent('b'));
      if (isOffsetLost) log.faults.loseOffsets('tacho-normalizer');
      endHolds();
      await start();
      await untilTaken(5);
      await running.pop()?.drain();
      expect(await stored(), `offsets lost: ${isOffsetLost}`).toEqual(['1', '2', '3', 'b']);
      expect(await counted()).toEqual({ items: 5, rows: 4, filtered: 1, duplicates: 0 });
    }
  });

  test('a batch begun before the topic was filtered is finished as it was begun', async () => {
    const trace = traceOf();
    let isDead = false;
    const die = (): void => {
      isDead = true;
    };
    const first = await start({ store: faulty(engine.store, 'spans', ['half-landed'], die), keep: 'all' });
    await send(trace.other('1'), trace.other('2'));
    await until('the process died', async () => (isDead ? true : null));
    await first.drain();
    await send(trace.other('3'));
    await start();
    endHolds();
    await untilTaken(3);
    const kept = await stored();
    expect(kept).not.toContain('3');
    expect((await counted())['filtered']).toBe(3 - kept.length);
  });

  test('the audit of all of it is clean, steps and folds included', async () => {
    const trace = traceOf();
    await start();
    await send(trace.other('1'), traceOf().other('not stored'), trace.agent('2'));
    endHolds();
    await untilTaken(3);
    const report = await audit(engine.store, { clock: systemClock, settleMs: 0 });
    const found = report.results
      .flatMap((result) => result.findings)
      .filter(({ check }) => !/^(run|calls)-/.test(check));
    expect(found).toEqual([]);
    await engine.store.command(
      "ALTER TABLE batches UPDATE filtered = filtered + 1 WHERE service = 'normalizer' SETTINGS mutations_sync = 2",
    );
    const spoilt = await audit(engine.store, { clock: systemClock, settleMs: 0 });
    expect(spoilt.results.find(({ name }) => name === 'balance')?.findings).not.toEqual([]);
  });
});
