import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeIncidentEvent, encodeIncidentEvent } from '../../schemas/incident-event.ts';
import type { PolicyViolation } from '../../schemas/policy-violation.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { observationOf, recordOf } from '../../services/alerter/violation-events.ts';
import { createAccess, hashToken } from '../../services/runtime/access-tokens.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { StreamService } from '../../services/runtime/stream/service.ts';
import { testApi } from '../support/api.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { startIncidentFold } from '../support/incident-fold.ts';
import { createPipelineLog } from '../support/pipeline.ts';
import { HOSTILE } from '../support/seed-builders.ts';
import { violationRow } from '../support/seed-watch.ts';
import { until } from '../support/tacho.ts';
import { violationOf } from '../support/violation.ts';

let engine: TestEngine;
let log: MemoryEventLog;
let alerter: StreamService;
let app: FastifyInstance;
let guarded: FastifyInstance;

const NOW = Date.now();
const LOCAL = { host: 'localhost:7070' };

const violation = (id: string, change: Partial<PolicyViolation> = {}): PolicyViolation => violationOf(id, NOW, change);

/** Opens the incident of a violation as the alerter does, and stores the violation; answers the incident's id. */
const opened = async (found: PolicyViolation): Promise<string> => {
  const event = observationOf(found);
  if (event === null) throw new Error('a rule in mode monitor opens nothing');
  const { ts_unix_micros, detected_at_ms: _detected, ...columns } = found;
  await engine.store.insert('policy_violations', [violationRow({ at_ms: ts_unix_micros / 1000, ...columns })], {
    token: found.violation_id,
  });
  await log.append([recordOf(event)]);
  await until('the incident is open', async () => (await get(event.incident_id)).statusCode === 200 || null, 20_000);
  return event.incident_id;
};

const get = (id: string, api = app) => api.inject({ url: `/api/v1/incidents/${id}`, headers: LOCAL });
const act = (id: string, action: string, payload: object = {}, headers: Record<string, string> = {}, api = app) =>
  api.inject({
    method: 'POST',
    url: `/api/v1/incidents/${id}/${action}`,
    headers: { ...LOCAL, ...headers },
    payload,
  });
const logged = (subject: string) =>
  engine.store.query<{ actor: string; action: string; detail: string }>(
    'SELECT actor, action, detail FROM access_log WHERE subject = {subject:String} ORDER BY at',
    { subject },
  );
const eventsInLog = async (): Promise<number> =>
  (await log.ranges(TOPICS.incidents)).reduce((sum, range) => sum + range.end, 0);

beforeAll(async () => {
  engine = await startTestEngine();
  log = await createPipelineLog();
  alerter = await startIncidentFold(log, engine.store);
  app = testApi(engine.store, { log });
  const token = (name: string, tenant: string | null, grants: readonly ('read' | 'operate')[]) => ({
    name,
    sha256: hashToken(name),
    tenant,
    vantage: 'operator' as const,
    grants,
  });
  guarded = testApi(engine.store, {
    log,
    access: createAccess({
      tokens: [
        token('oncall', 'demo', ['read', 'operate']),
        token('reader', 'demo', ['read']),
        token('other', 'acme', ['read', 'operate']),
      ],
      requireTokens: true,
      allowedHosts: [],
    }),
  });
});

afterAll(async () => {
  await app?.close();
  await guarded?.close();
  await alerter?.drain();
  await engine?.close();
});

describe('acting on an incident', () => {
  test('an acknowledgement is answered with the incident as the alerter folded it', async () => {
    const id = await opened(violation('a1'));
    const answer = await act(id, 'acknowledge', { comment: `mine ${HOSTILE}`, actor: 'grace' });
    expect(answer.statusCode, answer.body).toBe(200);
    expect(answer.json()).toMatchObject({
      incident_id: id,
      state: 'acknowledged',
      acknowledged_by: 'grace',
      event: { kind: 'acknowledged', transition: 'acknowledged', actor: 'grace', comment: `mine ${HOSTILE}` },
    });
    const [newest] = (await get(id)).json().timeline;
    expect(newest).toMatchObject({ kind: 'acknowledged', actor: 'grace' });
    expect(await logged(`incident:${id}`)).toEqual([
      { actor: 'loopback', action: 'incident_acknowledge', detail: `as grace: mine ${HOSTILE}` },
    ]);
  });

  test('what would change nothing is refused with the reason and appends nothing', async () => {
    const id = await opened(violation('a2', { agent_name: 'refused' }));
    expect((await act(id, 'acknowledge')).json().acknowledged_by).toBe('local');
    const again = await act(id, 'acknowledge');
    expect([again.statusCode, again.json().title]).toEqual([409, 'Conflict']);
    expect(again.json().detail).toMatch(/^local has it since /);
    expect((await act(id, 'resolve', { actor: 'ada' })).json()).toMatchObject({
      state: 'resolved',
      resolved_by: 'ada',
    });
    const before = await eventsInLog();
    for (const [action, payload] of [
      ['acknowledge', {}],
      ['resolve', {}],
      ['silence', { minutes: 5 }],
    ] as const) {
      const refused = await act(id, action, payload);
      expect([refused.statusCode, refused.json().state], action).toEqual([409, 'resolved']);
      expect(refused.json().detail).toContain('was resolved by ada');
    }
    expect(await eventsInLog()).toBe(before);
    expect((await act(id, 'comment', { comment: 'afterwards' })).statusCode).toBe(200);
  });

  test('the same Idempotency-Key is one event, also when the first answer was lost', async () => {
    const id = await opened(violation('a3', { agent_name: 'once' }));
    const key = { 'idempotency-key': 'try-1' };
    const before = await eventsInLog();
    const first = await act(id, 'acknowledge', {}, key);
    const second = await act(id, 'acknowledge', {}, key);
    expect([first.statusCode, second.statusCode]).toEqual([200, 200]);
    expect(second.json().event.event_id).toBe(first.json().event.event_id);
    expect(await eventsInLog()).toBe(before + 1);
    expect((await act(id, 'comment', { comment: 'x' }, { 'idempotency-key': 'a'.repeat(201) })).statusCode).toBe(400);
  });

  test('a silence ends at a moment ahead, within thirty days', async () => {
    const id = await opened(violation('a4', { agent_name: 'noisy' }));
    for (const payload of [
      {},
      { until: '8h', minutes: 5 },
      { until: '31d' },
      { until: '2020-01-01' },
      { until: 'soon' },
      { minutes: 0 },
      { minutes: 1.5 },
    ]) {
      expect((await act(id, 'silence', payload)).statusCode, JSON.stringify(payload)).toBe(400);
    }
    const answer = await act(id, 'silence', { until: '8h' });
    expect(answer.statusCode, answer.body).toBe(200);
    const ends = Date.parse(answer.json().silenced_until);
    expect(Math.abs(ends - NOW - 8 * 3_600_000)).toBeLessThan(60_000);
    expect(answer.json().event.silenced_until).toBe(answer.json().silenced_until);
  });

  test('without the alerter it is taken, said to be not visible yet, and folded later', async () => {
    const id = await opened(violation('a5', { agent_name: 'later' }));
    await alerter.drain();
    const answer = await act(id, 'acknowledge', { actor: 'grace' });
    expect([answer.statusCode, answer.json()]).toMatchObject([202, { accepted: true, queryable: false }]);
    expect((await get(id)).json().state).toBe('open');
    alerter = await startIncidentFold(log, engine.store);
    await until('folded', async () => (await get(id)).json().state === 'acknowledged' || null, 20_000);
  });

  test('takes the grant operate, the own tenant, and nobody else’s name', async () => {
    const id = await opened(violation('a6', { agent_name: 'guarded' }));
    const as = (name: string) => ({ authorization: `Bearer ${name}` });
    expect((await act(id, 'acknowledge', {}, {}, guarded)).statusCode).toBe(401);
    expect((await act(id, 'acknowledge', {}, as('reader'), guarded)).statusCode).toBe(403);
    expect((await act(id, 'acknowledge', {}, as('other'), guarded)).statusCode).toBe(404);
    expect((await act(id, 'acknowledge', { actor: 'ada' }, as('oncall'), guarded)).statusCode).toBe(400);
    expect(
      (await act(id, 'acknowledge', {}, { ...as('oncall'), origin: 'https://evil.example' }, guarded)).statusCode,
    ).toBe(403);
    expect((await act(id, 'acknowledge', {}, { origin: 'https://evil.example' })).statusCode).toBe(403);
    expect((await act(id, 'acknowledge', {}, as('oncall'), guarded)).json().acknowledged_by).toBe('oncall');
    expect(await logged(`incident:${id}`)).toMatchObject([{ actor: 'oncall', action: 'incident_acknowledge' }]);
  });

  test('an incident names the violations and the runs it gathers, and each violation its incident', async () => {
    const who = { agent_name: null, workflow: 'nightly' };
    const id = await opened(violation('b1', who));
    await opened(violation('b2', { ...who, run_id: '12'.repeat(16), service: 'another-service' }));
    await opened(violation('b3', { workflow: null, service: 'nightly-not' }));
    const body = (await get(id)).json();
    expect(body.violations.map((row: { violation_id: string }) => row.violation_id).sort()).toEqual(['b1', 'b2']);
    expect(body.runs).toHaveLength(2);
    const { incidents } = (await app.inject({ url: '/api/v1/violations/b2', headers: LOCAL })).json();
    expect(incidents.map((row: { incident_id: string }) => row.incident_id)).toEqual([id]);
  });

  test('what is appended is an event of the contract, under the incident as key', async () => {
    const id = await opened(violation('a7', { agent_name: 'contract' }));
    const records: { key: string | null; value: Uint8Array }[] = [];
    const watching = testApi(engine.store, {
      log: {
        ...log,
        append: async (list, signal) => {
          records.push(...list);
          return log.append(list, signal);
        },
      },
    });
    await act(id, 'comment', { comment: 'seen' }, {}, watching);
    const [record] = records;
    const decoded = decodeIncidentEvent(record?.value ?? new Uint8Array());
    if (decoded.kind !== 'ok') throw new Error(decoded.detail);
    expect(record?.key).toBe(id);
    expect(decoded.value).toMatchObject({
      incident_id: id,
      kind: 'commented',
      source: 'violation',
      subject: 'flow.untrusted',
      comment: 'seen',
      actor: 'local',
    });
    expect(encodeIncidentEvent(decoded.value)).toEqual(record?.value);
  });

  test.each([
    [{ comment: '' }, 'comment'],
    [{ comment: 'x'.repeat(4001) }, 'comment'],
    [{ comment: 'bell \u0007' }, 'no control characters'],
    [{ comment: 'x', actor: 'a'.repeat(65) }, 'actor'],
    [{ comment: 'x', colour: 'red' }, 'unknown parameter'],
    [[], 'expected object'],
  ])('a comment %j is refused and says why', async (payload, words) => {
    const answer = await act('b1', 'comment', payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().detail).toContain(words);
  });
});
