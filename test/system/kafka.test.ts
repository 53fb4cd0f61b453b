import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeTraces } from '../../schemas/otlp/decode.ts';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

const captures = resolve(import.meta.dirname, '..', 'fixtures', 'captures');
const EMITTER = 'google-adk';

/** Everything a row says except where and when it was logged. */
const rowsOf = (
  tenant: string,
) => `SELECT * EXCEPT (log_id, log_topic, log_partition, log_offset, log_index, batch_id, logged_at, ingested_at, tenant_id, step_id)
              FROM spans WHERE tenant_id = '${tenant}' ORDER BY trace_id, span_id, signal, attributes`;
const bookedOf = (
  tenant: string,
) => `SELECT provider, model, outcome, sum(calls) AS calls, sum(input_tokens) AS input, sum(cache_read_tokens) AS cache_read,
                       sum(output_tokens) AS output, sum(reasoning_tokens) AS reasoning, sum(cost_usd) AS cost
                FROM ledger_entries WHERE tenant_id = '${tenant}' GROUP BY provider, model, outcome HAVING calls != 0 ORDER BY provider, model, outcome`;

const payloads = (): readonly Uint8Array[] =>
  readdirSync(join(captures, EMITTER))
    .filter((file) => file.endsWith('.meta.json'))
    .map((file) => JSON.parse(readFileSync(join(captures, EMITTER, file), 'utf8')) as { signal: string; file: string })
    .filter((meta) => meta.signal === 'traces')
    .map((meta) => readFileSync(join(captures, EMITTER, meta.file)));

/** As the Collector's kafkaexporter with `partition_traces_by_id`: one trace a record. */
const splitByTrace = (body: Uint8Array): readonly { readonly key: string; readonly value: Uint8Array }[] => {
  const decoded = decodeTraces(body);
  if (decoded.kind === 'refused') throw new Error(decoded.detail);
  const traces = Map.groupBy(decoded.value.items, ({ item }) => item.traceId);
  return [...traces].map(([key, items]) => ({ key, value: encodeTraces(items) }));
};

describe.runIf(kafkaAvailable())('a real broker instead of the embedded log', () => {
  let broker: KafkaBroker;
  let onKafka: Site;
  let onSqlite: Site;
  let running: Tacho[] = [];

  beforeAll(async () => {
    broker = await startKafkaBroker();
    onSqlite = await createSite();
    onKafka = await createSite({
      TACHO_KAFKA_BROKERS: broker.brokers.join(','),
      TACHO_KAFKA_SESSION_TIMEOUT_MS: '1500',
      TACHO_KAFKA_PARTITIONS: '3',
    });
    writeFileSync(
      join(onKafka.dir, 'tachograph.yaml'),
      `kafka:
  sources:
    - {topic: otlp_spans, signal: spans}
    - {topic: otlp_logs, signal: logs}
    - {topic: action_events, signal: actions}
    - {topic: collector-split, signal: spans, tenant: split}
    - {topic: collector-unsplit, signal: spans, tenant: unsplit}
`,
    );
    const client = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const admin = client.admin();
    await admin.connect();
    await admin.createTopics({
      topics: ['collector-split', 'collector-unsplit'].map((topic) => ({ topic, numPartitions: 2 })),
    });
    await admin.disconnect();
    running = [
      startTacho(onSqlite, ['up']),
      startTacho(onKafka, ['--config', join(onKafka.dir, 'tachograph.yaml'), 'up']),
    ];
    await untilReady(onSqlite, running[0] as Tacho);
    await untilReady(onKafka, running[1] as Tacho);
  });
  afterAll(async () => {
    for (const tacho of running) tacho.kill('SIGTERM');
    for (const tacho of running) await tacho.exited;
    await broker.stop();
    onKafka.remove();
    onSqlite.remove();
  });

  test('the same run gives the same rows and the same bookings', async () => {
    for (const name of [EMITTER, 'otel-openai']) {
      for (const site of [onSqlite, onKafka]) {
        const sent = await runTacho(site, ['import', join(captures, name), '--tenant', name, '--wait']);
        expect(sent.code, sent.output).toBe(0);
      }
      const rows = await sql(onKafka, rowsOf(name));
      expect(rows.length).toBeGreaterThan(40);
      expect(rows).toEqual(await sql(onSqlite, rowsOf(name)));
      const booked = await sql(onKafka, bookedOf(name));
      expect(booked.length).toBeGreaterThan(0);
      expect(booked).toEqual(await sql(onSqlite, bookedOf(name)));
    }
  });

  test('records written as the OTel Collector writes them, split by trace or not, on a topic of another name, arrive equal', async () => {
    const client = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = client.producer();
    await producer.connect();
    for (const body of payloads()) {
      await producer.send({ topic: 'collector-unsplit', messages: [{ value: Buffer.from(body) }] });
      await producer.send({
        topic: 'collector-split',
        messages: splitByTrace(body).map(({ key, value }) => ({
          key: Buffer.from(key, 'hex'),
          value: Buffer.from(value),
        })),
      });
    }
    await producer.disconnect();
    const wanted = await sql(onSqlite, rowsOf(EMITTER));
    expect(wanted.length).toBeGreaterThan(40);
    for (const tenant of ['split', 'unsplit']) {
      const rows = await until(
        `all spans of tenant ${tenant}`,
        async () => {
          const found = await sql(onKafka, rowsOf(tenant));
          return found.length >= wanted.length ? found : null;
        },
        60_000,
      );
      expect(rows, tenant).toEqual(wanted);
    }
  });
});
