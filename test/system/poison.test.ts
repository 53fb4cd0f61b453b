import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createKafkaEventLog } from '../../services/runtime/event-log/kafka.ts';
import { openSqliteEventLog } from '../../services/runtime/event-log/sqlite.ts';
import type { EventLog, RecordPosition } from '../../services/runtime/ports.ts';
import { settingsOf } from '../kafka/kit.ts';
import { silentLogger } from '../support/engine.ts';
import { hex, llmOf, requestOf } from '../support/hostile.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { seeded } from '../support/random.ts';
import { span } from '../support/receiver.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

const RECORDS = Number(process.env['POISON_RECORDS'] ?? 3_000);
const SHARE = 0.3;
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const whole = encodeTraces([span(0), span(1)]);
/** Ways for a record to be no OTLP. */
const POISON: readonly ((random: () => number) => Uint8Array)[] = [
  () => new Uint8Array(),
  () => whole.subarray(0, whole.length - 5),
  () => Buffer.from('{"resourceMetrics":[]}'),
  () => Buffer.from('{"a":'),
  (random) => Uint8Array.from({ length: 200 }, () => Math.floor(random() * 256)).fill(0xff, 0, 2),
  () => Buffer.from(requestOf([{ name: 'no ids' }])),
];

const sites: [string, boolean][] = [['the embedded log', false]];
if (kafkaAvailable()) sites.push(['Kafka', true]);

describe.each(sites)(`poison at 30 %% of the load on %s (seed ${SEED})`, (_, isKafka) => {
  let broker: KafkaBroker | null = null;
  let site: Site;
  let up: Tacho;
  let log: EventLog;
  const good = new Set<string>();
  const bad: RecordPosition[] = [];

  beforeAll(async () => {
    if (isKafka) broker = await startKafkaBroker();
    site = await createSite(
      broker === null
        ? {}
        : {
            TACHO_KAFKA_BROKERS: broker.brokers.join(','),
            TACHO_KAFKA_SESSION_TIMEOUT_MS: '1500',
            TACHO_KAFKA_PARTITIONS: '2',
          },
    );
    up = startTacho(site, ['up']);
    await untilReady(site, up);
    const ports = { clock: systemClock, random: systemRandom, logger: silentLogger };
    log =
      broker === null
        ? await openSqliteEventLog({ path: join(site.dir, 'log', 'events.sqlite'), ...ports })
        : createKafkaEventLog(settingsOf(broker.brokers), ports);
  });
  afterAll(async () => {
    await log?.close();
    up?.kill('SIGKILL');
    await up?.exited;
    site?.remove();
    await broker?.stop();
  });

  test('stores every good record, and every bad one is a dead letter once, through a kill in the middle', async () => {
    const random = seeded(SEED);
    for (let sent = 0; sent < RECORDS; sent += 100) {
      const records = Array.from({ length: 100 }, () => {
        const isBad = random() < SHARE;
        const spanId = hex(16);
        const make = POISON[Math.floor(random() * POISON.length)] ?? expect.fail();
        const value = isBad ? make(random) : Buffer.from(requestOf([llmOf({ spanId })]));
        return { isBad, spanId, record: { topic: 'otlp_spans', key: spanId, value } };
      });
      const positions = await log.append(records.map(({ record }) => record));
      for (const [at, { isBad, spanId }] of records.entries()) {
        const position = positions[at] ?? expect.fail();
        if (isBad) bad.push(position);
        else good.add(spanId);
      }
      if (sent === Math.floor(RECORDS / 200) * 100) {
        up.kill('SIGKILL');
        await up.exited;
        up = startTacho(site, ['up']);
      }
    }
    expect(bad.length).toBeGreaterThan(RECORDS / 5);
    await until(
      'everything is read',
      async () => {
        const ends = new Map((await log.ranges('otlp_spans')).map(({ partition, end }) => [partition, end]));
        const rows = await sql<{ partition: number; end: string }>(
          site,
          "SELECT partition, max(end) AS end FROM batches WHERE service = 'normalizer' AND topic = 'otlp_spans' GROUP BY partition",
        );
        return [...ends].every(([partition, end]) =>
          rows.some((row) => row.partition === partition && Number(row.end) >= end),
        )
          ? true
          : null;
      },
      240_000,
    );

    const stored = await sql<{ span_id: string; n: string }>(
      site,
      "SELECT span_id, count() AS n FROM spans WHERE log_topic = 'otlp_spans' GROUP BY span_id",
    );
    expect(new Set(stored.map((row) => row.span_id))).toEqual(good);
    expect(stored.filter((row) => row.n !== '1')).toEqual([]);
    const letters = await sql<{ at: string; n: string }>(
      site,
      "SELECT concat(toString(log_partition), '/', toString(log_offset)) AS at, count() AS n FROM dead_letters GROUP BY at ORDER BY at",
    );
    expect(letters).toEqual(
      bad
        .map(({ partition, offset }) => ({ at: `${partition}/${offset}`, n: '1' }))
        .sort((a, b) => (a.at < b.at ? -1 : 1)),
    );
  }, 400_000);

  test('stops nothing, and its bytes can be replayed: they are refused again, with their first origin', async () => {
    expect(await (await fetch(`${site.api}/readyz`)).text()).not.toContain('degraded');
    const replayed = await runTacho(site, ['dlq', 'replay', '--topic', 'otlp_spans', '--limit', '20']);
    expect(replayed.code, replayed.output).toBe(0);
    expect(replayed.output).toContain('20 replayed');
    await until('refused again', async () => {
      const [row] = await sql<{ n: string }>(
        site,
        'SELECT uniqExact(replay_of) AS n FROM dead_letters WHERE replay_of IS NOT NULL',
      );
      return row?.n === '20' ? true : null;
    });
  });

  test('the audit is clean', async () => {
    const audited = await runTacho(site, ['audit']);
    expect(audited.output).toContain('nothing lost, nothing doubled');
    expect(audited.code).toBe(0);
  });
});
