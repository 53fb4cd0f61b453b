import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger, startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { until } from '../../test/support/tacho.ts';
import { systemRandom } from '../runtime/clock.ts';
import { TransportError } from '../runtime/errors.ts';
import { createMetrics } from '../runtime/metrics.ts';
import type { Clock, Store } from '../runtime/ports.ts';
import { CHECKS } from './checks.ts';
import { auditAndRecord } from './record.ts';
import { createAuditService } from './service.ts';

/** A clock that waits until the test lets it go on, and tells for how long it was asked to wait. */
const createManualClock = () => {
  const waits: { readonly ms: number; readonly go: () => void }[] = [];
  let nowMs = Date.now();
  const clock: Clock = {
    nowMs: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const abort = (): void => reject(new TransportError('ABORTED', 'waiting was aborted', { retryable: false }));
        if (signal?.aborted) return abort();
        signal?.addEventListener('abort', abort);
        waits.push({
          ms,
          go: () => {
            nowMs += ms;
            resolve();
          },
        });
        return undefined;
      }),
  };
  return { clock, waits };
};

interface Recorded {
  readonly audit_id: string;
  readonly check: string;
  readonly findings: number;
  readonly places: readonly string[];
  readonly kind: string;
}

describe('recorded audits', () => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());
  beforeEach(async () => {
    await engine.store.command('TRUNCATE TABLE audit_results');
    await engine.store.command('TRUNCATE TABLE batches');
  });

  const recorded = (): Promise<readonly Recorded[]> =>
    engine.store.query<Recorded>(
      'SELECT audit_id, check, findings, places, kind FROM audit_results ORDER BY finished_at, audit_id, position',
    );
  const batch = (first: number, end: number) => ({
    service: 'normalizer',
    log_id: 'log-1',
    topic: 'otlp_spans',
    partition: 0,
    first,
    end,
    records: end - first,
    rows: {},
    steps: 0,
    dead_letters: 0,
    duplicates: 0,
    filtered: 0,
    empty: 0,
    produced: {},
    hours: [],
    batch_id: `b-${first}`,
    logged_at: new Date(Date.now() - 60_000).toISOString().slice(0, 23).replace('T', ' '),
    written_at: new Date(Date.now() - 60_000).toISOString().slice(0, 23).replace('T', ' '),
  });
  /** Ten gaps in the chain of one partition. */
  const breakTheChain = (): Promise<void> =>
    engine.store.insert(
      'batches',
      Array.from({ length: 11 }, (_, at) => batch(at * 100, at * 100 + 50)),
      { token: systemRandom.uuid() },
    );
  const build = (store: Store, clock: Clock) => {
    const metrics = createMetrics();
    const service = createAuditService(
      { firstMs: 120_000, everyMs: 600_000, settleMs: 0 },
      { store, clock, random: systemRandom, metrics, logger: silentLogger },
    );
    return { service, metrics };
  };

  test('an audit is one row a check, in order, with the first places and the gauges', async () => {
    await breakTheChain();
    const { clock } = createManualClock();
    const metrics = createMetrics();
    const report = await auditAndRecord(
      { store: engine.store, clock, random: systemRandom, metrics },
      { settleMs: 0, isGentle: true },
    );
    expect(report.isClean).toBe(false);
    const rows = await recorded();
    expect(rows.map((row) => row.check)).toEqual(CHECKS.map((check) => check.name));
    expect(rows.map((row) => row.kind)).toEqual(CHECKS.map((check) => check.kind));
    const chain = rows.find((row) => row.check === 'chain');
    expect(chain?.findings).toBe(10);
    expect(chain?.places).toHaveLength(5);
    expect(chain?.places[0]).toContain('normalizer otlp_spans/0');
    const exposed = await metrics.expose();
    expect(exposed).toContain('tacho_audit_findings{check="chain"} 10');
    expect(exposed).toContain('tacho_audit_findings{check="manifest"} 0');
  });

  test('the first audit waits, then one follows the end of the other', async () => {
    const { clock, waits } = createManualClock();
    const { service } = build(engine.store, clock);
    await service.start();
    expect(waits.map((wait) => wait.ms)).toEqual([120_000]);
    expect(await recorded()).toEqual([]);
    waits[0]?.go();
    await until('the first audit', async () => (waits.length === 2 ? true : null));
    expect(waits[1]?.ms).toBe(600_000);
    expect(service.health().state).toBe('ok');
    waits[1]?.go();
    await until('the second audit', async () => (waits.length === 3 ? true : null));
    expect(new Set((await recorded()).map((row) => row.audit_id)).size).toBe(2);
    await service.drain();
  });

  test('a store that fails is told, and asked again at the next turn', async () => {
    const { clock, waits } = createManualClock();
    let isDown = true;
    const store: Store = {
      ...engine.store,
      query: (sql, params, signal) => {
        if (isDown) return Promise.reject(new TransportError('STORE_UNAVAILABLE', 'away', { retryable: true }));
        return engine.store.query(sql, params, signal);
      },
    };
    const { service } = build(store, clock);
    await service.start();
    waits[0]?.go();
    await until('the failure', async () => (waits.length === 2 ? true : null));
    expect(service.health()).toMatchObject({ state: 'degraded' });
    expect(service.health().detail).toContain('away');
    isDown = false;
    waits[1]?.go();
    await until('the next turn', async () => (waits.length === 3 ? true : null));
    expect(service.health().state).toBe('ok');
    expect((await recorded()).length).toBe(CHECKS.length);
    await service.drain();
  });

  test('a drain ends a wait, and an audit in the middle of a check', async () => {
    const waiting = createManualClock();
    const first = build(engine.store, waiting.clock);
    await first.service.start();
    await first.service.drain();

    const auditing = createManualClock();
    let asked = 0;
    const stuck: Store = {
      ...engine.store,
      query: (sql, params, signal) => {
        if (signal === undefined) return engine.store.query(sql, params);
        asked += 1;
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () =>
            reject(new TransportError('ABORTED', 'aborted', { retryable: false })),
          );
        });
      },
    };
    const second = build(stuck, auditing.clock);
    await second.service.start();
    auditing.waits[0]?.go();
    await until('a check runs', async () => (asked > 0 ? true : null));
    await second.service.drain();
    expect(await recorded()).toEqual([]);
  });
});
