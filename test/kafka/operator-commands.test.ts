import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dlqOf } from '../../schemas/topics.ts';
import type { EventLog, RecordPosition } from '../../services/runtime/ports.ts';
import { attr, hex, llmOf, post, requestOf, spanOf } from '../support/hostile.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { misreadCalls } from '../support/misread-calls.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';
import { openLog } from './kit.ts';

const CAPTURE = resolve(import.meta.dirname, '..', 'fixtures', 'captures', 'vercel-ai7');
const SHARED = 'shared-spans';
/** Long enough that two appends lie within it on a starved machine. */
const HOLD_MS = 10_000;
/** Records that make the window of the brake. */
const WINDOW = 40;

describe.runIf(kafkaAvailable())('commands of people, over a real broker', { timeout: 240_000 }, () => {
  let broker: KafkaBroker;
  let site: Site;
  let up: Tacho;
  let log: EventLog;

  beforeAll(async () => {
    broker = await startKafkaBroker();
    site = await createSite({
      TACHO_KAFKA_BROKERS: broker.brokers.join(','),
      TACHO_KAFKA_SESSION_TIMEOUT_MS: '1500',
      TACHO_KAFKA_PARTITIONS: '2',
      TACHO_STREAM_BRAKE_WINDOW_RECORDS: String(WINDOW),
    });
    const config = join(site.dir, 'tachograph.yaml');
    writeFileSync(
      config,
      `kafka:
  sources:
    - {topic: otlp_spans, signal: spans}
    - {topic: otlp_logs, signal: logs}
    - {topic: ${SHARED}, signal: spans, tenant: shared, keep: agent_traces, hold_ms: ${HOLD_MS}}
`,
    );
    Object.assign(site.env, { TACHO_CONFIG: config });
    log = openLog(broker.brokers);
    await log.ensureTopics([{ topic: SHARED, partitions: 2, retentionMs: 86_400_000, recordBytesMax: 1_048_588 }]);
    up = startTacho(site, ['up']);
    await untilReady(site, up);
  });
  afterAll(async () => {
    await log?.close();
    up?.kill('SIGKILL');
    await up?.exited;
    site?.remove();
    await broker?.stop();
  });

  const placeOf = ({ topic, partition, offset }: RecordPosition): string => `${topic}/${partition}/${offset}`;
  const put = (values: readonly string[]): Promise<readonly RecordPosition[]> =>
    log.append(values.map((value) => ({ topic: 'otlp_spans', key: 'k', value: Buffer.from(value), partition: 1 })));
  const untilCount = (what: string, query: string, wanted: number): Promise<true> =>
    until(
      what,
      async () => {
        const [row] = await sql<{ n: string }>(site, query);
        return Number(row?.n) === wanted ? true : null;
      },
      120_000,
    );
  const times = (count: number, make: () => string): readonly string[] => Array.from({ length: count }, make);
  const bad = (): string => '{"no":1}';

  test('of a poisoned topic, a dead letter is shown with what it was', async () => {
    const [, letter] = await put([requestOf([llmOf()]), '{"never":"fine"}']);
    const place = placeOf(letter ?? expect.fail());
    await untilCount('a dead letter', 'SELECT count() AS n FROM dead_letters', 1);
    const shown = await runTacho(site, ['dlq', 'show', place, '--bytes', '32']);
    expect(shown.code, shown.output).toBe(0);
    expect(shown.output).toContain(`origin         ${await log.logId('otlp_spans')}/${place}`);
    expect(shown.output).toContain('refused by     normalizer');
    expect(shown.output).toMatch(/reason +\w+_json/);
    expect(shown.output).toContain('{"never"');
    expect((await runTacho(site, ['dlq', 'show', 'otlp_spans/1/999999'])).code).toBe(1);
  });

  test('the brake holds what a storm of poison would drain, until it is released', async () => {
    await put(times(WINDOW, () => requestOf([llmOf({ name: 'brake' })])));
    await untilCount('good ones', "SELECT count() AS n FROM spans WHERE name = 'brake'", WINDOW);
    await put(times(WINDOW, bad));
    await until('the brake', async () =>
      (await (await fetch(`${site.api}/readyz`)).text()).includes('the brake') ? true : null,
    );
    const binned = (await log.ranges(dlqOf('otlp_spans'))).reduce((sum, { start, end }) => sum + end - start, 0);
    expect(binned).toBeLessThanOrEqual(WINDOW / 2 + 1);
    const released = await runTacho(site, ['dlq', 'release', '--topic', 'otlp_spans', '--partition', '1']);
    expect(released.code, released.output).toBe(0);
    expect(released.output).toContain('released normalizer otlp_spans/1');
    await untilCount('the rest', 'SELECT uniqExact(log_offset) AS n FROM dead_letters', WINDOW + 1);
    await untilReady(site, up);
    expect((await runTacho(site, ['dlq', 'release'])).code).toBe(1);
  });

  test('of a topic shared with ordinary services, traces of agents are kept and the others counted', async () => {
    const traces = Array.from({ length: 30 }, (_, at) => {
      const traceId = hex(32);
      // What shows that an agent took part comes after what came before.
      return {
        traceId,
        isAgent: at % 3 === 0,
        spans: [spanOf({ traceId }), (at % 3 === 0 ? llmOf : spanOf)({ traceId })],
      };
    });
    for (const at of [0, 1])
      await log.append(
        traces.map(({ traceId, spans }) => ({
          ...{ topic: SHARED, key: traceId },
          value: Buffer.from(requestOf([spans[at]])),
        })),
      );
    const sum = (what: string) => `SELECT sum(${what}) AS n FROM batches WHERE topic = '${SHARED}'`;
    await untilCount('all of it is decided', sum('records'), 60);
    expect(await sql(site, sum('filtered'))).toEqual([{ n: '40' }]);
    const stored = await sql<{ span_id: string }>(site, "SELECT span_id FROM spans WHERE tenant_id = 'shared'");
    const wanted = traces.filter(({ isAgent }) => isAgent).flatMap(({ spans }) => spans.map(({ spanId }) => spanId));
    expect(stored.map((row) => row.span_id).sort()).toEqual(wanted.sort());
  });

  test('calls that were misread are booked anew by a rebuild from the log', async () => {
    const tenant = 'rebuilt';
    expect((await runTacho(site, ['import', CAPTURE, '--tenant', tenant, '--now', '--wait'])).code).toBe(0);
    const sums = async (): Promise<string> =>
      JSON.stringify(
        await sql(
          site,
          `SELECT sum(calls) AS calls, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cost_usd) AS cost
           FROM ledger_entries WHERE tenant_id = '${tenant}'`,
        ),
      );
    const right = await sums();
    const misread = await misreadCalls(site, tenant);
    expect(misread.length).toBeGreaterThan(0);
    await log.append(misread);
    await until('the calls are misread', async () => ((await sums()) !== right ? true : null));

    const args = ['ledger', 'rebuild', '--from', '3h', '--tenant', tenant];
    const shown = await runTacho(site, args);
    expect(shown.code, shown.output).toBe(0);
    expect(shown.output).toContain('nothing was booked; --yes books it');
    const booked = await runTacho(site, [...args, '--yes']);
    expect(booked.code, booked.output).toBe(0);
    await until('the books are right again', async () => ((await sums()) === right ? true : null));
    expect((await runTacho(site, args)).output).toContain(': 0 of 0 runs are read differently now');
  });

  test('calls without a price are booked anew with the one that was bought', async () => {
    const calls = Array.from({ length: 12 }, () =>
      spanOf({
        ...{ name: 'chat acme-large', kind: 3 },
        attributes: [
          ...[attr('gen_ai.operation.name', 'chat'), attr('gen_ai.provider.name', 'acme-ai')],
          attr('gen_ai.request.model', 'acme-large'),
          ...[attr('gen_ai.usage.input_tokens', 1_000_000), attr('gen_ai.usage.output_tokens', 500_000)],
        ],
      }),
    );
    expect((await post(site, requestOf(calls), { 'x-tacho-tenant': 'priced' })).status).toBe(200);
    const figures = `SELECT toString(sum(e.calls)) AS calls, toString(sumIf(e.calls, e.cost_usd IS NULL)) AS unpriced,
      toString(sum(e.cost_usd)) AS usd, toString(uniqExact(entry_id) = count()) AS once FROM ledger_entries AS e WHERE tenant_id = 'priced'`;
    const untilFigures = (wanted: object) =>
      until('the books', async () =>
        JSON.stringify((await sql(site, figures))[0]) === JSON.stringify(wanted) ? true : null,
      );
    await untilFigures({ calls: '12', unpriced: '12', usd: null, once: '1' });

    const dir = join(site.dir, 'bought');
    mkdirSync(dir);
    const price = '{id: bought, provider: acme-ai, models: [acme-large], rates: {input_mtok: 3, output_mtok: 12}}';
    writeFileSync(join(dir, 'acme.yaml'), `prices:\n  - ${price}\n`);
    const args = ['price', 'reprice', '--from', '2h', '--tenant', 'priced', '--yes'];
    const told = startTacho(site, args, { TACHO_PRICES_DIR: dir });
    expect(await told.exited, told.output()).toBe(0);
    expect(told.output()).toContain('looked at 12 calls');
    await untilFigures({ calls: '12', unpriced: '0', usd: '108', once: '1' });
  });

  test('the audit is clean after all that', async () => {
    const audited = await runTacho(site, ['audit']);
    expect(audited.output).toContain('nothing lost, nothing doubled');
    expect(audited.code).toBe(0);
  });
});
