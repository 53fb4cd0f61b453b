import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeActionEvent } from '../../schemas/action-event-codec.ts';
import { decodeControlEvent, encodeControlEvent } from '../../schemas/control-event.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { testApi } from '../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { createPipelineLog } from '../../test/support/pipeline.ts';
import { createAccess, hashToken } from '../runtime/access-tokens.ts';
import { systemClock, systemRandom } from '../runtime/clock.ts';
import { createMemoryEventLog, type MemoryEventLog } from '../runtime/event-log/memory.ts';
import type { EventLog, LogRecord } from '../runtime/ports.ts';

let engine: TestEngine;
let log: MemoryEventLog;
let app: FastifyInstance;
let guarded: FastifyInstance;

const RUN = 'ab'.repeat(16);
const LOCAL = { host: 'localhost:7070' };
const ask = (payload: object, headers: Record<string, string> = {}, api = app, query = '') =>
  api.inject({ method: 'POST', url: `/api/v1/control${query}`, headers: { ...LOCAL, ...headers }, payload });
const poll = (query = '', headers: Record<string, string> = {}, api = app) =>
  api.inject({ url: `/api/v1/control${query}`, headers: { ...LOCAL, ...headers } });

/** Every record of a topic, by a reader that leaves nothing behind. */
const recordsOf = async (from: EventLog, topic: string): Promise<readonly LogRecord[]> => {
  const ranges = await from.ranges(topic);
  const total = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const found: LogRecord[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const consumer = await from.consume({
    ...{ group: systemRandom.uuid(), topics: [topic], recordsMax: 100, bytesMax: 1_000_000, lingerMs: 1, idleMs: 50 },
    assigned: async ({ logStart }) => ({
      startOffset: logStart,
      onBatch: async ({ records }) => {
        found.push(...records);
        if (found.length >= total) resolve();
        return 'continue';
      },
      onIdle: async () => {},
    }),
    onCrash: () => resolve(),
  });
  if (total > 0) await promise;
  await consumer.close();
  return found;
};

beforeAll(async () => {
  engine = await startTestEngine();
  log = await createPipelineLog();
  app = testApi(engine.store, { log });
  const token = (name: string, tenant: string | null, grants: readonly ('read' | 'operate' | 'ingest')[]) => ({
    ...{ name, sha256: hashToken(name), tenant, vantage: 'operator' as const, grants },
  });
  guarded = testApi(engine.store, {
    log,
    access: createAccess({
      tokens: [
        token('oncall', 'acme', ['operate']),
        token('agent', 'acme', ['ingest']),
        token('reader', 'acme', ['read']),
      ],
      requireTokens: true,
      allowedHosts: [],
    }),
  });
});

afterAll(async () => {
  await app?.close();
  await guarded?.close();
  await engine?.close();
});

describe('a request to control', () => {
  test('is answered 202, stands in the topic, in the run, in the access log, and is heard by who polls', async () => {
    const answer = await ask({ action: 'kill', target: { kind: 'run', id: RUN }, reason: 'loops', actor: 'dana' });
    expect(answer.statusCode, answer.body).toBe(202);
    const event = answer.json();
    expect(event).toMatchObject({ tenant_id: 'default', action: 'kill', reason: 'loops', requested_by: 'dana' });
    expect(Date.parse(event.expires_at) - Date.parse(event.ts)).toBe(3_600_000);

    const [record] = (await recordsOf(log, TOPICS.controls)).slice(-1);
    expect(decodeControlEvent(record?.value ?? new Uint8Array())).toMatchObject({
      kind: 'ok',
      value: { event_id: event.event_id, target_kind: 'run', target_id: RUN },
    });
    expect(Buffer.from(record?.key ?? []).toString()).toBe(`default|${RUN}`);
    const steps = (await recordsOf(log, TOPICS.actions)).map(({ value }) => decodeActionEvent(value));
    expect(steps).toMatchObject([
      { kind: 'ok', value: { kind: 'control', run_id: RUN, event_id: event.event_id, control: { action: 'kill' } } },
    ]);
    expect(
      await engine.store.query('SELECT actor, action, subject, detail FROM access_log WHERE action = {action:String}', {
        action: 'control_kill',
      }),
    ).toEqual([{ actor: 'loopback', action: 'control_kill', subject: `run:${RUN}`, detail: 'as dana: loops' }]);
    await expect.poll(async () => (await poll()).json().controls, { timeout: 60_000 }).toEqual([event]);
  });

  test('polled on from next_since comes again at most within the overlap, and never to another tenant', async () => {
    const first = (await poll()).json();
    const next = await ask({ action: 'pause', target: { kind: 'agent', id: 'triage é' } });
    const last = async () => (await poll(`?since=${first.next_since}`)).json().controls.at(-1).event_id;
    await expect.poll(last, { timeout: 60_000 }).toBe(next.json().event_id);
    expect((await poll('?tenant=acme')).json().controls).toEqual([]);
    expect((await poll('', { 'x-tacho-tenant': 'acme' })).json().controls).toEqual([]);
  });

  test('with the same Idempotency-Key is one event to who hears it', async () => {
    const body = { action: 'resume', target: { kind: 'workflow', id: 'nightly' }, minutes: 5 };
    const [a, b] = [await ask(body, { 'idempotency-key': 'k1' }), await ask(body, { 'idempotency-key': 'k1' })];
    expect(a.json().event_id).toBe(b.json().event_id);
    await expect.poll(async () => (await poll()).body, { timeout: 60_000 }).toContain(a.json().event_id);
    const heard = (await poll())
      .json()
      .controls.filter((one: { event_id: string }) => one.event_id === a.json().event_id);
    expect(heard).toHaveLength(1);
    const other = await ask({ ...body, action: 'kill' }, { 'idempotency-key': 'k1' });
    expect(other.json().event_id).not.toBe(a.json().event_id);
  });

  test.each([
    [{ action: 'explode', target: { kind: 'run', id: RUN } }, 'action'],
    [{ action: 'kill', target: { kind: 'run', id: 'RUN' } }, 'target'],
    [{ action: 'kill', target: { kind: 'agent', id: '' } }, 'target.id'],
    [{ action: 'kill' }, 'target'],
    [{ action: 'kill', target: { kind: 'run', id: RUN }, minutes: 5, until: '1h' }, 'until'],
    [{ action: 'kill', target: { kind: 'run', id: RUN }, until: '30d' }, 'until'],
    [{ action: 'kill', target: { kind: 'run', id: RUN }, reason: 'a\u0007b' }, 'reason'],
    [{ action: 'kill', target: { kind: 'run', id: RUN }, force: true }, 'force'],
  ])('that cannot be one is refused and reaches nobody: %j', async (body, parameter) => {
    const before = (await log.ranges(TOPICS.controls)).map(({ end }) => end);
    const answer = await ask(body);
    expect(answer.statusCode).toBe(400);
    expect(answer.body).toContain(parameter);
    expect((await log.ranges(TOPICS.controls)).map(({ end }) => end)).toEqual(before);
  });

  test('needs operate to ask and ingest to hear, within the tenant of the token', async () => {
    const body = { action: 'kill', target: { kind: 'run', id: RUN } };
    const as = (name: string) => ({ authorization: `Bearer ${name}` });
    expect((await ask(body, as('agent'), guarded)).statusCode).toBe(403);
    expect((await ask(body, as('reader'), guarded)).statusCode).toBe(403);
    expect((await ask(body, {}, guarded)).statusCode).toBe(401);
    expect((await ask(body, as('oncall'), guarded, '?tenant=other')).statusCode).toBe(403);
    const taken = await ask(body, as('oncall'), guarded);
    expect([taken.statusCode, taken.json().tenant_id, taken.json().requested_by]).toEqual([202, 'acme', 'oncall']);
    expect((await poll('', as('reader'), guarded)).statusCode).toBe(403);
    expect((await poll('?tenant=other', as('agent'), guarded)).statusCode).toBe(403);
    await expect
      .poll(async () => (await poll('', as('agent'), guarded)).json().controls, { timeout: 60_000 })
      .toEqual([taken.json()]);
  });

  test('that has expired, or is no control event, is heard by nobody and stops nothing', async () => {
    const old = {
      event_id: 'old',
      ts: 1,
      tenant_id: 'late',
      action: 'kill',
      target_kind: 'agent',
      target_id: 'x',
    } as const;
    await log.append([
      { topic: TOPICS.controls, key: 'k', value: Buffer.from('\0garbage') },
      {
        topic: TOPICS.controls,
        key: 'k',
        value: encodeControlEvent({ ...old, reason: null, requested_by: 'x', expires_at: 2 }),
      },
    ]);
    const fresh = (await ask({ action: 'kill', target: { kind: 'agent', id: 'x' } }, {}, app, '?tenant=late')).json();
    await expect.poll(async () => (await poll('?tenant=late')).json().controls, { timeout: 60_000 }).toEqual([fresh]);
  });

  test('cannot be heard where the topic is missing: 503, ask again', async () => {
    const bare = testApi(engine.store, { log: createMemoryEventLog({ clock: systemClock, random: systemRandom }) });
    const answer = await poll('', {}, bare);
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '2']);
    await bare.close();
  });
});
