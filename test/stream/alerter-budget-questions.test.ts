import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeIncidentEvent, NOTHING_SAID } from '../../schemas/incident-event.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { Budget } from '../../services/alerter/budgets/budget.ts';
import { readUsd } from '../../services/alerter/budgets/decimal.ts';
import { createWatchMemory, lookAtBudgets, type WatchMemory } from '../../services/alerter/budgets/watch.ts';
import { systemRandom } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { Store } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import { silentLogger, startTestEngine, type TestEngine } from '../support/engine.ts';
import { createPipelineLog } from '../support/pipeline.ts';
import { type Alerter, recordingOutbound, startAlerter, untilFolded } from './alerter-kit.ts';

const USD = 1_000_000_000_000n;
const HOUR_MS = 3_600_000;
/** Noon of yesterday: an event that says it happened later than it was logged is dated by the log. */
const NOON = Math.floor(Date.now() / (24 * HOUR_MS)) * 24 * HOUR_MS - 12 * HOUR_MS;
const MIDNIGHT = NOON - 12 * HOUR_MS;

const budgetOf = (over: Partial<Budget> = {}): Budget => ({
  id: 'b',
  title: 'B',
  scope: {},
  period: 'day',
  timezone: 'UTC',
  limit: USD,
  thresholds: [0.5, 1],
  unknownCallCeiling: 0n,
  ...over,
});

interface Booking {
  readonly cost_usd: string;
  readonly ts?: number;
  readonly tenant_id?: string;
  readonly agent_name?: string;
  readonly workflow?: string;
  readonly service?: string;
}

describe('what a budget asks', () => {
  let engine: TestEngine;
  let log: MemoryEventLog;
  let alerter: Alerter;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    engine = await startTestEngine();
    log = await createPipelineLog();
    alerter = await startAlerter(log, engine.store, recordingOutbound().outbound, []);
  });
  afterAll(async () => {
    await alerter.finish();
    await alerter.stream.drain();
    await engine.close();
  });

  const book = (bookings: readonly Booking[]): Promise<void> =>
    engine.store.insert(
      'ledger_entries',
      bookings.map(({ ts = NOON, ...booking }) => ({
        entry_id: systemRandom.uuid(),
        entry_kind: 'call',
        call_id: 'c',
        calls: booking.cost_usd.startsWith('-') ? -1 : 1,
        ts: utcMillis(ts),
        booked_at: utcMillis(NOON),
        logged_at: utcMillis(NOON),
        ...booking,
      })),
      { token: systemRandom.uuid() },
    );

  const look = async (
    memory: WatchMemory,
    budgets: readonly Budget[],
    nowMs: number,
    store: Store = engine.store,
  ): Promise<void> => {
    const clock = { nowMs: () => nowMs, sleep: async () => {} };
    const deps = { log, store, clock, random: systemRandom, logger: silentLogger };
    const onCrash = (error: unknown) => {
      throw error;
    };
    await lookAtBudgets(budgets, { ...deps, metrics: createMetrics(), onCrash }, memory, signal);
    await untilFolded(log, [alerter]);
  };

  const spentOf = async (id: string): Promise<readonly bigint[]> =>
    (
      await engine.store.query<{ readonly spent: string }>(
        `SELECT toString(spent_usd) AS spent FROM budget_status FINAL WHERE budget_id = {id:String} ORDER BY period_start DESC`,
        { id },
      )
    ).map(({ spent }) => readUsd(spent));

  const incidentsOf = (id: string) =>
    engine.store.query<{ readonly state: string; readonly level: number; readonly limit: string }>(
      `SELECT state, level, JSONExtractString(detail, 'limit_usd') AS limit FROM incidents FINAL
       WHERE subject = {id:String} ORDER BY opened_at, limit`,
      { id },
    );

  /** What happened to the incidents of a budget: agent of the scope, limit, and what became of it. */
  const storyOf = async (id: string): Promise<readonly string[]> =>
    (
      await engine.store.query<{ readonly text: string }>(
        `SELECT concat(i.agent, ' ', i.limit, ' ', e.transition, if(e.comment IS NULL, '', concat(' (', e.comment, ')'))) AS text
         FROM incident_events AS e
         INNER JOIN (SELECT incident_id, ifNull(agent_name, '') AS agent,
             toString(toFloat64OrZero(JSONExtractString(detail, 'limit_usd'))) AS limit FROM incidents FINAL) AS i
           ON i.incident_id = e.incident_id
         WHERE e.subject = {id:String} AND e.transition IS NOT NULL`,
        { id },
      )
    )
      .map(({ text }) => text.trim())
      .sort();

  test('is of the scope it names, every part of it', async () => {
    const parts = ['tenant_id', 'agent_name', 'workflow', 'service'] as const;
    const rows: Booking[] = Array.from({ length: 16 }, (_, bits) => ({
      cost_usd: String(2 ** bits / 1_000_000),
      ...Object.fromEntries(parts.map((part, at) => [part, (bits >> at) % 2 === 0 ? 'scope-x' : 'scope-y'])),
    }));
    await book(rows);
    const names = ['tenant', 'agent', 'workflow', 'service'] as const;
    const budgets = Array.from({ length: 15 }, (_, at) => at + 1).map((asked) =>
      budgetOf({
        id: `scope-${asked}`,
        limit: 1_000_000n * USD,
        scope: Object.fromEntries(
          names.filter((_name, at) => (asked >> at) % 2 === 1).map((name) => [name, 'scope-x']),
        ),
      }),
    );
    await look(createWatchMemory(budgets, NOON), budgets, NOON);
    for (const [at, budget] of budgets.entries()) {
      const asked = at + 1;
      const expected = rows.reduce((sum, _, bits) => sum + ((bits & asked) === 0 ? 2n ** BigInt(bits) : 0n), 0n);
      const [spent] = await spentOf(budget.id);
      expect(spent, JSON.stringify(budget.scope)).toBe(expected * (USD / 1_000_000n));
    }
  });

  test('is summed to the last digit, and from the first millisecond of the period to before the first of the next', async () => {
    const tenant_id = 'exact';
    await book([
      { tenant_id, cost_usd: '90071992547.409931234567', ts: MIDNIGHT },
      { tenant_id, cost_usd: '0.000000000001', ts: MIDNIGHT + 24 * HOUR_MS - 1 },
      { tenant_id, cost_usd: '1000', ts: MIDNIGHT + 24 * HOUR_MS },
      { tenant_id, cost_usd: '0.1', ts: MIDNIGHT - 1 },
      { tenant_id, cost_usd: '0.2', ts: MIDNIGHT - 24 * HOUR_MS },
      { tenant_id, cost_usd: '1000', ts: MIDNIGHT - 24 * HOUR_MS - 1 },
    ]);
    const budget = budgetOf({ id: 'exact', scope: { tenant: tenant_id }, limit: 10n ** 24n });
    await look(createWatchMemory([budget], NOON), [budget], NOON);
    expect(await spentOf('exact')).toEqual([90_071_992_547_409_931_234_568n, (3n * USD) / 10n]);
  });

  test('is shown as the newest look has it, also when the clock was put back between two of them', async () => {
    const tenant_id = 'clock';
    const budget = budgetOf({ id: 'clock', scope: { tenant: tenant_id } });
    const memory = createWatchMemory([budget], NOON);
    await book([{ tenant_id, cost_usd: '0.25' }]);
    await look(memory, [budget], NOON + HOUR_MS);
    await book([{ tenant_id, cost_usd: '0.5' }]);
    await look(memory, [budget], NOON);
    expect((await spentOf('clock'))[0]).toBe((3n * USD) / 4n);
    expect((await incidentsOf('clock')).map(({ state }) => state)).toEqual(['open']);
  });

  test('stays answered when somebody resolves it and the sum falls: the threshold was reached', async () => {
    const tenant_id = 'fallen';
    const budget = budgetOf({ id: 'fallen', scope: { tenant: tenant_id } });
    await book([{ tenant_id, cost_usd: '1.5' }]);
    await look(createWatchMemory([budget], NOON), [budget], NOON);
    const [opened] = await engine.store.query<{ readonly incident_id: string }>(
      `SELECT incident_id FROM incidents FINAL WHERE subject = 'fallen'`,
    );
    await act(opened?.incident_id ?? '', tenant_id);
    await book([{ tenant_id, cost_usd: '-1.5' }]);
    await look(createWatchMemory([budget], NOON + 1), [budget], NOON + 1);
    const rows = await engine.store.query<{ readonly reached: readonly number[]; readonly state: string }>(
      `SELECT reached, state FROM budget_status FINAL WHERE budget_id = 'fallen' ORDER BY period_start DESC LIMIT 1`,
    );
    expect(rows).toEqual([{ reached: [0.5, 1], state: 'ok' }]);
    // Nor does a threshold that is added beneath it.
    await book([{ tenant_id, cost_usd: '0.8' }]);
    const finer = budgetOf({ id: 'fallen', scope: { tenant: tenant_id }, thresholds: [0.5, 0.75, 1] });
    await look(createWatchMemory([finer], NOON + 2), [finer], NOON + 2);
    expect((await incidentsOf('fallen')).map(({ state }) => state)).toEqual(['resolved']);
  });

  const act = async (incidentId: string, tenantId: string): Promise<void> => {
    const event = {
      ...NOTHING_SAID,
      event_id: systemRandom.uuid(),
      incident_id: incidentId,
      tenant_id: tenantId,
      at_ms: Date.now(),
      kind: 'resolved' as const,
      source: 'budget' as const,
      subject: 'fallen',
      severity: 'high' as const,
      title: '',
      actor: 'ana',
      detail: '{}',
    };
    await log.append([{ topic: TOPICS.incidents, key: incidentId, value: encodeIncidentEvent(event) }]);
    await untilFolded(log, [alerter]);
  };

  test('is not told again with the next threshold when a process died between a word and its row', async () => {
    const tenant_id = 'died';
    const budget = budgetOf({ id: 'died', scope: { tenant: tenant_id } });
    await book([{ tenant_id, cost_usd: '0.6' }]);
    const refusing: Store = {
      ...engine.store,
      insert: async () => {
        throw new TransportError('STORE_UNAVAILABLE', 'killed', { retryable: true });
      },
    };
    await expect(look(createWatchMemory([budget], NOON), [budget], NOON, refusing)).rejects.toThrow('killed');
    await untilFolded(log, [alerter]);
    await book([{ tenant_id, cost_usd: '0.6' }]);
    await look(createWatchMemory([budget], NOON + 1), [budget], NOON + 1);
    const told = await engine.store.query<{ readonly thresholds: readonly number[] }>(
      `SELECT JSONExtract(detail, 'thresholds', 'Array(Float64)') AS thresholds FROM incident_events
       WHERE subject = 'died' AND kind = 'observed' ORDER BY ts`,
    );
    expect(told.map(({ thresholds }) => thresholds)).toEqual([[0.5], [1]]);
  });

  test('is another question after its scope changed, though the id and the limit are the same', async () => {
    const tenant_id = 'moved';
    await book([
      { tenant_id, cost_usd: '0.6', agent_name: 'one' },
      { tenant_id, cost_usd: '0.7', agent_name: 'two' },
    ]);
    const before = budgetOf({ id: 'moved', scope: { tenant: tenant_id, agent: 'one' } });
    const after = budgetOf({ id: 'moved', scope: { tenant: tenant_id, agent: 'two' } });
    await look(createWatchMemory([before], NOON), [before], NOON);
    await look(createWatchMemory([after], NOON + 1), [after], NOON + 1);
    expect(await storyOf('moved')).toEqual(['one 1 opened', 'one 1 resolved (the budget was changed)', 'two 1 opened']);
  });

  test('with another limit ends what the old one told; the old process calls off nothing of the new; and back again it is told again', async () => {
    const tenant_id = 'limit';
    const scope = { tenant: tenant_id };
    await book([{ tenant_id, cost_usd: '5' }]);
    const low = budgetOf({ id: 'limit', scope });
    const high = budgetOf({ id: 'limit', scope, limit: 2n * USD });
    const old = createWatchMemory([low], NOON - 1);
    await look(old, [low], NOON);
    const fresh = createWatchMemory([high], NOON + 1);
    await look(fresh, [high], NOON + 1);
    // Both run for a while, as in a rolling deploy.
    for (let round = 2; round < 6; round += 1) {
      await look(old, [low], NOON + round);
      await look(fresh, [high], NOON + round);
    }
    expect(await storyOf('limit')).toEqual(['1 opened', '1 resolved (the budget was changed)', '2 opened']);
    const [row] = await engine.store.query<{ readonly limit: string }>(
      `SELECT toString(limit_usd) AS limit FROM budget_status FINAL WHERE budget_id = 'limit' ORDER BY period_start DESC LIMIT 1`,
    );
    expect(row?.limit).toBe('2');
    // The raise is taken back: whoever was told that the old incident ended hears that it goes on.
    const back = createWatchMemory([low], NOON + 7);
    await look(back, [low], NOON + 7);
    await look(createWatchMemory([low], NOON + 8), [low], NOON + 8);
    await look(fresh, [high], NOON + 9);
    expect(await incidentsOf('limit')).toMatchObject([
      { state: 'open', level: 1, limit: '1.000000000000' },
      { state: 'resolved', level: 1, limit: '2.000000000000' },
    ]);
    expect((await storyOf('limit')).filter((one) => one === '1 reopened').length).toBe(1);
  });

  test('is ended by its period alone when the file no longer has it', async () => {
    const tenant_id = 'removed';
    const budget = budgetOf({ id: 'removed', scope: { tenant: tenant_id } });
    await book([{ tenant_id, cost_usd: '0.9' }]);
    await look(createWatchMemory([budget], NOON), [budget], NOON);
    await look(createWatchMemory([], NOON + 1), [], MIDNIGHT + 24 * HOUR_MS - 1);
    expect((await incidentsOf('removed')).map(({ state }) => state)).toEqual(['open']);
    await look(createWatchMemory([], NOON + 1), [], MIDNIGHT + 24 * HOUR_MS);
    expect(await storyOf('removed')).toContain('1 resolved (the period is over)');
  });
});
