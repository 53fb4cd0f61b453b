import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type AgentStep, BLANK_STEP } from '../../schemas/agent-step.ts';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { openSqliteEventLog } from '../../services/runtime/event-log/sqlite.ts';
import type { EventLog, Logger, RecordPosition } from '../../services/runtime/ports.ts';
import { joinGroup, type TestMember } from '../contract/event-log-fixture.ts';
import { badPages, provesAlive, requestOf, spanOf, untilPassed } from '../support/hostile.ts';
import { span } from '../support/receiver.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => SILENT,
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const NOISE = Uint8Array.from({ length: 300 }, (_, i) => (i * 167 + 255) % 256);
/** Confluent framing, then an array that says it has 2^62 elements. */
const AVRO_BOMB = (schema: number) =>
  Uint8Array.from([0, 0, 0, 0, schema, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);

let site: Site;
let up: Tacho;
/** The log, as another program of this machine writes to it. */
let log: EventLog;
beforeAll(async () => {
  site = await createSite();
  up = startTacho(site, ['up']);
  await untilReady(site, up);
  const path = join(site.dir, 'log', 'events.sqlite');
  log = await openSqliteEventLog({ path, clock: systemClock, random: systemRandom, logger: SILENT });
});
afterAll(async () => {
  await log.close();
  up.kill('SIGKILL');
  await up.exited;
  site.remove();
});
afterEach(() => {
  expect(up.child.exitCode, up.output()).toBeNull();
});

const put = async (topic: string, value: Uint8Array, headers: Record<string, string> = {}): Promise<RecordPosition> => {
  const [position] = await log.append([{ topic, key: 'k', value, headers }]);
  if (position === undefined) throw new Error('appended nothing');
  return position;
};

const lettersAt = (at: RecordPosition): Promise<readonly { reason: string }[]> =>
  until(`dead letters of ${at.topic}/${at.partition}/${at.offset}`, async () => {
    const found = await sql<{ reason: string }>(
      site,
      `SELECT reason FROM dead_letters WHERE log_topic = '${at.topic}' AND log_partition = ${at.partition} AND log_offset = ${at.offset}`,
    );
    return found.length > 0 ? found : null;
  });

const lettersIn = async (topic: string): Promise<number> =>
  (await log.ranges(`${topic}.dlq`)).reduce((sum, range) => sum + range.end, 0);

describe('a record of a foreign producer', () => {
  const good = encodeTraces([span(0)]);
  test.each<[string, string, Uint8Array, string, Record<string, string>?]>([
    ['nothing', 'otlp_spans', new Uint8Array(), 'empty_record'],
    ['noise', 'otlp_spans', NOISE, 'malformed_protobuf'],
    ['other JSON', 'otlp_spans', bytes('{"a":1}'), 'malformed_json'],
    ['metrics', 'otlp_spans', bytes('{"resourceMetrics":[]}'), 'unsupported_signal'],
    ['logs', 'otlp_spans', bytes('{"resourceLogs":[]}'), 'unsupported_signal'],
    ['an Avro frame', 'otlp_spans', AVRO_BOMB(1), 'malformed_protobuf'],
    ['a tenant that is SQL', 'otlp_spans', good, 'invalid_tenant', { 'x-tacho-tenant': "a' OR 1=1" }],
    ['nothing', 'otlp_logs', new Uint8Array(), 'empty_record'],
    ['spans', 'otlp_logs', bytes('{"resourceSpans":[]}'), 'unsupported_signal'],
    ['nothing', 'action_events', new Uint8Array(), 'empty_record'],
    ['noise', 'action_events', NOISE, 'malformed_avro'],
    ['JSON', 'action_events', bytes('{"kind":"egress"}'), 'malformed_avro'],
    ['an Avro bomb', 'action_events', AVRO_BOMB(1), 'malformed_avro'],
    ['a tenant that is markup', 'action_events', good, 'invalid_tenant', { 'x-tacho-tenant': '<script>' }],
  ])(
    'with %s on %s is a row in dead_letters and its bytes a record of the dlq',
    async (_, topic, value, reason, headers) => {
      const before = await lettersIn(topic);
      const at = await put(topic, value, headers);
      expect(await lettersAt(at)).toEqual([{ reason }]);
      // The row stands first, the bytes follow.
      await until('the bytes', async () => ((await lettersIn(topic)) === before + 1 ? true : null));
    },
  );

  test('that is partly bad keeps its good span', async () => {
    const fine = spanOf({ name: 'fine' });
    expect(await lettersAt(await put('otlp_spans', bytes(requestOf([fine, { name: 'no ids' }]))))).toEqual([
      { reason: 'missing_ids' },
    ]);
    expect(await sql(site, `SELECT name FROM spans WHERE trace_id = '${fine.traceId}'`)).toEqual([{ name: 'fine' }]);
    expect(await badPages(site, 'default', fine.traceId)).toEqual([]);
  });

  test('cannot claim a vantage, a part or a time shift that is none', async () => {
    const headers = {
      ...{ 'x-tacho-tenant': 'claims', 'x-tacho-vantage': 'root', 'x-tacho-time-shift-ms': 'NaN' },
      ...{ 'x-tacho-part': '-5', __proto__: 'x', reason: 'none' },
    };
    const at = await put('otlp_spans', good, headers);
    await untilPassed(site, `${at.topic}/${at.partition}/${at.offset}`);
    expect(await sql(site, `SELECT vantage FROM spans WHERE tenant_id = 'claims'`)).toEqual([{ vantage: 'agent' }]);
  });
});

const STEP_READERS = ['ledger', 'lineage', 'policy'];
const originOf = (headers: Readonly<Record<string, string>>): string =>
  `${headers['topic']}/${headers['partition']}/${headers['offset']}`;

describe('a record on agent_steps that is no step of ours', () => {
  let reader: TestMember;
  beforeAll(async () => {
    reader = await joinGroup(log, { group: 'who-reads-dead-letters', topics: ['agent_steps.dlq'] });
  });
  afterAll(() => reader.close());

  const step: AgentStep = {
    ...BLANK_STEP,
    ...{ tenant_id: 'forged', step_id: 'a'.repeat(32), run_id: 'b'.repeat(32), step_kind: 'llm', name: 'n' },
    ...{ start_unix_micros: 1, end_unix_micros: 2, logged_at_ms: 3, log_id: 'l', log_topic: 't' },
  };
  const forged = (over: Partial<AgentStep>): Uint8Array => encodeAgentStep({ ...step, ...over });

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['noise', NOISE],
    ['JSON', bytes('{}')],
    ['an Avro bomb', AVRO_BOMB(2)],
    ['a tenant with a bar', forged({ tenant_id: 'a|b' })],
    ['a time before 1970', forged({ start_unix_micros: -5 })],
    ['a negative offset', forged({ log_offset: -1 })],
    ['a log time of centuries', forged({ logged_at_ms: 4_503_599_627_370_495 })],
  ])('is a dead letter of each of its readers and stops nobody: %s', async (_, value) => {
    const at = await put('agent_steps', value);
    const origin = `${at.topic}/${at.partition}/${at.offset}`;
    const letters = () =>
      reader.seen.flatMap(({ batch }) => batch.records).filter(({ headers }) => originOf(headers) === origin);
    await until('the dead letters', async () => (letters().length === STEP_READERS.length ? true : null));
    expect(
      letters()
        .map(({ headers }) => headers['service'])
        .sort(),
    ).toEqual(STEP_READERS);
    for (const letter of letters()) expect(Buffer.from(letter.value).equals(value)).toBe(true);
    const rows = await sql<{ service: string }>(
      site,
      `SELECT service FROM dead_letters WHERE log_topic = 'agent_steps' AND log_partition = ${at.partition} AND log_offset = ${at.offset} ORDER BY service`,
    );
    expect(rows.map(({ service }) => service)).toEqual(STEP_READERS);
  });
});

describe('afterwards', () => {
  test('good data is taken, no partition is stopped, the audit is clean', async () => {
    await provesAlive(site);
    const pipeline = await (await fetch(`${site.api}/api/v1/pipeline`)).text();
    expect(pipeline).not.toContain('"is_stopped":true');
    const audited = await runTacho(site, ['audit']);
    expect(audited.output).toContain('nothing lost, nothing doubled');
    expect(audited.code).toBe(0);
  });
});
