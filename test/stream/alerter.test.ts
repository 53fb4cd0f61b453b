import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeIncidentEvent, type IncidentEvent } from '../../schemas/incident-event.ts';
import { encodePolicyViolation, type PolicyViolation } from '../../schemas/policy-violation.ts';
import { dlqOf, TOPICS } from '../../schemas/topics.ts';
import { observationOf } from '../../services/alerter/violation-events.ts';
import { audit } from '../../services/audit/audit.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { Outbound, PostAnswer, PostRequest } from '../../services/runtime/outbound.ts';
import type { OutgoingRecord, Store } from '../../services/runtime/ports.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { createPipelineLog } from '../support/pipeline.ts';
import { seeded } from '../support/random.ts';
import { until } from '../support/tacho.ts';
import { type Alerter, answered, recordingOutbound, sinkNamed, startAlerter, untilFolded } from './alerter-kit.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const T = 1_795_000_000_000;

const violationOf = (n: number, over: Partial<PolicyViolation> = {}): PolicyViolation => ({
  violation_id: `violation-${n}`,
  tenant_id: 'acme',
  ts_unix_micros: (T + n) * 1000,
  detected_at_ms: systemClock.nowMs(),
  rule_id: `rule-${n % 3}`,
  rule_version: '1.0.0',
  ruleset_hash: 'hash',
  severity: 'medium',
  mode: 'alert',
  title: `Violation <${n}>`,
  run_id: `run-${n % 7}`,
  trace_id: `run-${n % 7}`,
  span_id: 'span',
  step_id: `step-${n}`,
  source_span_id: null,
  service: 'bot',
  agent_name: `agent-${n % 4}`,
  workflow: null,
  user_id: null,
  evidence: '{}',
  evidence_level: 'value',
  detected_by: 'stream',
  ...over,
});

const recordOf = (violation: PolicyViolation): OutgoingRecord => ({
  topic: TOPICS.violations,
  key: `${violation.tenant_id}|${violation.run_id}`,
  value: encodePolicyViolation(violation),
});

const actOn = (violation: PolicyViolation, kind: IncidentEvent['kind'], id: string): OutgoingRecord => {
  const observation = observationOf(violation);
  if (observation === null) throw new Error('a violation that opens an incident');
  const event: IncidentEvent = { ...observation, event_id: id, kind, actor: 'ana', at_ms: systemClock.nowMs() };
  return { topic: TOPICS.incidents, key: event.incident_id, value: encodeIncidentEvent(event) };
};

const keyOf = (post: PostRequest): string => String(post.headers['idempotency-key']);
const transitionOf = (post: PostRequest): string => (JSON.parse(post.body) as { transition: string }).transition;

interface DeliveryRow {
  readonly delivery_id: string;
  readonly sink: string;
  readonly state: string;
  readonly transition: string;
}
const readDeliveries = (store: Store) =>
  store.query<DeliveryRow>('SELECT delivery_id, sink, state, transition FROM incident_deliveries FINAL');

/** Resolves with all deliveries once there are so many and none waits. */
const untilSent = (store: Store, count: number): Promise<readonly DeliveryRow[]> =>
  until(
    `${count} deliveries sent`,
    async () => {
      const rows = await readDeliveries(store);
      return rows.length >= count && rows.every((row) => row.state !== 'pending') ? rows : null;
    },
    90_000,
  );

let engine: TestEngine | null = null;
let store: Store;
let log: MemoryEventLog;
beforeEach(async () => {
  await engine?.close();
  engine = await startTestEngine();
  store = engine.store;
  log = await createPipelineLog();
});
afterAll(async () => engine?.close());

const stopAll = async (alerters: readonly Alerter[]): Promise<void> => {
  for (const alerter of alerters) {
    await alerter.finish();
    await alerter.stream.drain();
  }
};

describe('violations become incidents', () => {
  test('each once, by rule and agent; monitor rules open none; what cannot be read is a dead letter', async () => {
    const { outbound, posts } = recordingOutbound();
    const alerter = await startAlerter(log, store, outbound);
    const violations = Array.from({ length: 24 }, (_, n) => violationOf(n));
    await log.append([
      ...violations.map(recordOf),
      ...violations.slice(0, 10).map(recordOf),
      recordOf(violationOf(100, { mode: 'monitor', agent_name: 'quiet' })),
      recordOf(violationOf(101, { agent_name: null, workflow: 'flow' })),
      { topic: TOPICS.violations, key: 'k', value: Buffer.from('no violation') },
      { topic: TOPICS.incidents, key: 'k', value: Buffer.from('no event') },
    ]);
    // 3 rules × 4 agents, and the one that only has a workflow.
    await untilSent(store, 13);
    await untilFolded(log, [alerter]);
    await stopAll([alerter]);
    const rows = await store.query<{ n: string; observations: string; agents: string }>(
      `SELECT count() AS n, sum(observations) AS observations, uniqExact(agent_name) AS agents FROM incidents FINAL`,
    );
    expect(rows).toEqual([{ n: '13', observations: '25', agents: '4' }]);
    expect(posts.map(transitionOf)).toEqual(posts.map(() => 'opened'));
    expect(new Set(posts.map(keyOf)).size).toBe(posts.length);
    for (const topic of [TOPICS.violations, TOPICS.incidents])
      expect((await log.ranges(dlqOf(topic))).map((range) => range.end - range.start).reduce((a, b) => a + b)).toBe(1);
  });
});

describe('two alerters', () => {
  test('never tell the same, also when one leaves in the midst of it', async () => {
    const { outbound, posts } = recordingOutbound(async () => {
      await systemClock.sleep(20);
      return answered(204);
    });
    const [one, two] = [
      await startAlerter(log.openClient(), store, outbound),
      await startAlerter(log.openClient(), store, outbound),
    ];
    const violations = Array.from({ length: 40 }, (_, n) => violationOf(n, { rule_id: `rule-${n}` }));
    await log.append(violations.slice(0, 20).map(recordOf));
    await until('some are told', async () => (posts.length >= 5 ? true : null));
    await stopAll([one]);
    await log.append(violations.slice(20).map(recordOf));
    const rows = await untilSent(store, 40);
    await stopAll([two]);
    expect(rows.map((row) => row.state)).toEqual(rows.map(() => 'sent'));
    expect(posts.length).toBe(40);
    expect(new Set(posts.map(keyOf)).size).toBe(40);
  });
});

describe('a sink', () => {
  test('that never answers holds up no other, and one that fails gets every incident’s story in order', async () => {
    const { outbound, posts } = recordingOutbound((url, nth) => {
      if (url.includes('stuck')) return new Promise<PostAnswer>(() => {});
      return url.includes('flaky') && nth % 2 === 1 ? answered(500) : answered(204);
    });
    const sinks = ['stuck', 'flaky', 'good'].map(sinkNamed);
    const alerter = await startAlerter(log, store, outbound, sinks);
    const violation = violationOf(1);
    // Of one run, so that the log keeps their order: else the worse one may come first, and nothing escalates.
    const worse = violationOf(13, { severity: 'high', run_id: violation.run_id });
    await log.append([recordOf(violation), recordOf(worse)]);
    const to = (name: string) => posts.filter((post) => post.url.includes(name));
    await until('the good one has two', async () => (to('good').length === 2 ? true : null));
    await log.append([actOn(violation, 'acknowledged', 'ack-1'), actOn(violation, 'resolved', 'resolve-1')]);
    const stories = await until('flaky has it all', async () => {
      const sent = (await readDeliveries(store)).filter((row) => row.sink === 'flaky' && row.state === 'sent');
      return sent.length === 4 ? to('flaky') : null;
    });
    const story = stories.map(transitionOf).filter((one, at, all) => one !== all[at - 1]);
    expect(story).toEqual(['opened', 'escalated', 'acknowledged', 'resolved']);
    expect(to('good').map(transitionOf)).toEqual(story);
    expect(to('stuck').map(transitionOf)).toEqual(['opened']);
    // The way out never comes back here, so the end of the process is what frees it.
    await alerter.stream.drain();
  });
});

/** A store that loses requests, loses answers, and lands parts of inserts. */
const unreliable = (real: Store, random: () => number): Store => ({
  ...real,
  insert: async (table, rows, options) => {
    const failure = () => new TransportError('STORE_UNAVAILABLE', 'chaos', { retryable: true });
    const dice = random();
    if (dice < 0.06) throw failure();
    if (dice < 0.12 && rows.length > 1) {
      await real.insert(table, rows.slice(1), { ...options, token: `${options.token}/part` });
      throw failure();
    }
    await real.insert(table, rows, options);
    if (dice < 0.18) throw failure();
  },
});

/** Violations, a third of them twice, while members are taken for dead, processes die and offsets get lost. */
const feedUnderFailures = async (chaotic: Store, outbound: Outbound, random: () => number) => {
  const start = async () => {
    const client = log.openClient();
    return { client, alerter: await startAlerter(client, chaotic, outbound) };
  };
  const violations = Array.from({ length: 120 }, (_, n) =>
    violationOf(n, { severity: (['low', 'medium', 'high', 'critical'] as const)[Math.floor(n / 30)] ?? 'low' }),
  );
  const records = [...violations, ...violations.filter((_, n) => n % 3 === 0)].map(recordOf);
  let running = await start();
  while (records.length > 0) {
    await log.append(records.splice(0, 12));
    await systemClock.sleep(Math.floor(random() * 150));
    const dice = random();
    if (dice < 0.3) log.faults.evictMembers('tacho-alerter');
    if (dice < 0.5) continue;
    running.client.crash();
    if (dice > 0.8) log.faults.loseOffsets('tacho-alerter');
    running = await start();
  }
  return running;
};

describe('an alerter under failures', () => {
  test(`crashes, rebalances, lost offsets and a lying store: every transition is told, and only under its own key (seed ${SEED})`, async () => {
    const random = seeded(SEED);
    const { outbound, posts } = recordingOutbound(async (_url, nth) => {
      await systemClock.sleep(Math.floor(random() * 30));
      return nth % 5 === 4 ? answered(503) : nth % 7 === 6 ? { kind: 'unreachable', reason: 'chaos' } : answered(204);
    });
    const running = await feedUnderFailures(unreliable(store, random), outbound, random);
    await untilFolded(log, [running.alerter]);
    // 12 incidents; each opens low and escalates three times, unless severities overtook one another in the log.
    const rows = await until(
      'all is told',
      async () => {
        await untilFolded(log, [running.alerter]);
        const [due] = await store.query<{ n: string }>(
          `SELECT countIf(notification = 'wanted') AS n FROM incident_events`,
        );
        const found = await readDeliveries(store);
        return found.length === Number(due?.n) && found.every((row) => row.state === 'sent') ? found : null;
        // Retries wait for up to 16 s each here, and of one incident one waits for the other.
      },
      150_000,
    );
    await stopAll([running.alerter]);

    const incidents = await store.query<{ severity: string; observations: string; pending: string }>(
      'SELECT severity, toString(observations) AS observations, toString(pending) AS pending FROM incidents FINAL',
    );
    expect(incidents).toEqual(incidents.map(() => ({ severity: 'critical', observations: '10', pending: '0' })));
    expect(incidents.length).toBe(12);
    expect(rows.filter((row) => row.transition === 'opened').length).toBe(12);
    const bodies = new Map<string, Set<string>>();
    for (const post of posts) bodies.set(keyOf(post), (bodies.get(keyOf(post)) ?? new Set()).add(post.body));
    expect([...bodies.keys()].sort()).toEqual(rows.map((row) => row.delivery_id).sort());
    for (const [key, texts] of bodies) expect(texts.size, `seed ${SEED}: ${key}`).toBe(1);
    const report = await audit(store, { clock: systemClock, settleMs: 0 });
    expect(report.results.flatMap((result) => [...result.findings, ...result.waiting]).slice(0, 9)).toEqual([]);
  }, 300_000);
});
