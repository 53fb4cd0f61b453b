import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { removeLitter, rollUp } from '../../services/rollup/pass.ts';
import { systemRandom } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import type { Clock, QueryParams, Store } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { seeded } from '../support/random.ts';
import { createHistory, DAY_MS, disagreements, type HistoryBatch, HOUR_MS } from '../support/rollup-history.ts';

const TABLES = ['ledger_entries', 'spans', 'batches', 'rollup_slices', 'rollup_passes', 'rollup_spend', 'rollup_steps'];
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const MINUTE_MS = 60_000;

describe(`roll-ups (SEED=${SEED})`, () => {
  let engine: TestEngine;
  /** The clock of the store, as the job and the manifest see it. */
  let nowMs = 0;
  beforeAll(async () => {
    engine = await startTestEngine();
  });
  afterAll(async () => engine.close());
  beforeEach(async () => {
    for (const table of TABLES) await engine.store.command(`TRUNCATE TABLE ${table}`);
    // In the morning, whatever time it is here: a row of another day makes a slice of its own.
    nowMs = Math.floor(Date.now() / DAY_MS - 20) * DAY_MS + 3 * HOUR_MS;
  });

  const clock: Clock = { nowMs: () => nowMs, sleep: async () => {} };
  /** The engine with the clock of the test, whose connection breaks at a statement: before it or after it took effect. */
  const storeDying = (atStatement: number, isAfter: boolean): Store => {
    let statements = 0;
    return {
      ...engine.store,
      query: async <T>(sql: string, params?: QueryParams, signal?: AbortSignal) =>
        sql.includes("now64(3, 'UTC')) AS ms")
          ? ([{ ms: String(nowMs) }] as unknown as readonly T[])
          : engine.store.query<T>(sql, params, signal),
      command: async (sql, params) => {
        statements += 1;
        const dies = statements === atStatement;
        if (!dies || isAfter) await engine.store.command(sql, params);
        if (dies) throw new TransportError('STORE_UNAVAILABLE', 'killed', { retryable: true });
      },
    };
  };
  const healthy = (): Store => storeDying(0, false);
  const pass = (store: Store = healthy(), isWhole = false) =>
    rollUp({ store, clock, random: systemRandom }, 'me', isWhole);
  const put = async ({ table, rows, manifest }: HistoryBatch): Promise<void> => {
    await engine.store.insert(table, rows, { token: systemRandom.uuid() });
    await engine.store.insert('batches', [manifest], { token: systemRandom.uuid() });
  };
  const count = async (sql: string): Promise<number> =>
    Number((await engine.store.query<{ n: string }>(`SELECT count() AS n FROM ${sql}`))[0]?.n);

  /** Lands batches, some of them long after they were logged: their service stood still. */
  const landing = (dice: () => number) => {
    const stuck: HistoryBatch[] = [];
    return async (batch: HistoryBatch): Promise<void> => {
      if (dice() < 0.15) stuck.push(batch);
      else await put(batch);
      if (dice() < 0.8) return;
      for (const late of stuck.splice(0))
        await put({ ...late, manifest: { ...late.manifest, written_at: utcMillis(nowMs) } });
    };
  };
  /** Passes that die at some statement, two at once, one that looks at everything. */
  const passSomehow = async (dice: () => number): Promise<void> => {
    if (dice() < 0.5) nowMs += 5 * MINUTE_MS;
    if (dice() < 0.5)
      await pass(storeDying(Math.ceil(dice() * 6), dice() < 0.5), dice() < 0.2).catch((error: unknown) => {
        expect(error).toBeInstanceOf(TransportError);
      });
    if (dice() < 0.3) await Promise.all([pass(), pass(healthy(), true)]);
    else await pass(healthy(), dice() < 0.2);
  };

  test('whatever came in whatever order, and wherever the job was killed, the views say what raw says', {
    timeout: 300_000,
  }, async () => {
    const dice = seeded(SEED);
    const history = createHistory(dice);
    const land = landing(dice);
    for (let turn = 0; turn < 16; turn += 1) {
      nowMs += Math.floor(dice() < 0.3 ? dice() * 5 * HOUR_MS : dice() * 10 * MINUTE_MS);
      await land(dice() < 0.5 ? history.bookings(nowMs) : history.steps(nowMs));
      expect(await disagreements(engine.store)).toEqual([]);
      if (dice() < 0.4) continue;
      await passSomehow(dice);
      expect(await disagreements(engine.store)).toEqual([]);
    }
    expect(await count("rollup_sources WHERE generation != ''")).toBeGreaterThan(5);
    // What the killed and the second left behind goes, and what counts stays.
    for (const table of ['rollup_spend', 'rollup_steps'])
      await engine.store.command(
        `ALTER TABLE ${table} UPDATE built_at = built_at - INTERVAL 2 HOUR WHERE 1 SETTINGS mutations_sync = 2`,
      );
    await removeLitter(healthy());
    expect(
      await count(
        "rollup_spend WHERE (hour, logged_day, generation) NOT IN (SELECT hour, logged_day, generation FROM rollup_slices FINAL WHERE kind = 'spend')",
      ),
    ).toBe(0);
    expect(await disagreements(engine.store)).toEqual([]);
  });

  test('a closed hour is read from its roll-up, an open one from raw, and a late row opens its hour again', async () => {
    const history = createHistory(() => 0.5);
    nowMs += 45 * MINUTE_MS;
    await put(history.bookings(nowMs));
    nowMs += 10 * MINUTE_MS;
    expect((await pass()).built).toBe(0);
    nowMs += 2 * HOUR_MS;
    expect((await pass()).built).toBe(1);
    expect(await count("rollup_sources WHERE generation != ''")).toBe(1);
    const late = history.bookings(nowMs);
    const ts = utcMillis(nowMs - 2.6 * HOUR_MS);
    const rows = late.rows.map((row) => ({ ...row, ts }));
    await put({
      ...late,
      rows,
      manifest: { ...late.manifest, hours: [Math.floor((nowMs - 2.6 * HOUR_MS) / HOUR_MS) * 3600] },
    });
    expect(await count("rollup_sources WHERE generation != ''")).toBe(0);
    expect(await disagreements(engine.store)).toEqual([]);
    nowMs += 5 * MINUTE_MS;
    await pass();
    nowMs += 5 * MINUTE_MS;
    await pass();
    expect(await count("rollup_sources WHERE generation != ''")).toBe(1);
    expect(await disagreements(engine.store)).toEqual([]);
  });

  test('an hour whose raw has expired keeps its roll-up, also when a late row of another day adds to it', async () => {
    const history = createHistory(seeded(SEED + 1));
    for (let at = 0; at < 5; at += 1) await put(history.steps(nowMs));
    const oldMs = nowMs;
    nowMs += 4 * DAY_MS;
    await pass();
    const total = async () =>
      (await engine.store.query<{ n: string }>('SELECT sum(steps) AS n FROM hourly_steps'))[0]?.n;
    // Those of nobody's history are never rolled up: they go with raw.
    await engine.store.command(
      'ALTER TABLE spans DELETE WHERE ts < logged_at - INTERVAL 10 DAY OR ts > logged_at + INTERVAL 1 DAY SETTINGS mutations_sync = 2',
    );
    const before = Number(await total());
    nowMs = oldMs + 45 * DAY_MS;
    await engine.store.command('TRUNCATE TABLE spans');
    const late = history.steps(nowMs);
    const ts = utcMillis(oldMs - HOUR_MS / 2);
    const logged_at = utcMillis(nowMs);
    const { logged_days: _, ...manifest } = late.manifest;
    await put({
      ...late,
      rows: late.rows.map((row) => ({ ...row, ts, logged_at })),
      manifest: { ...manifest, hours: [Math.floor((oldMs - HOUR_MS / 2) / HOUR_MS) * 3600] },
    });
    expect(Number(await total())).toBe(before + late.rows.length);
    for (let at = 0; at < 3; at += 1) {
      nowMs += 5 * MINUTE_MS;
      await pass(healthy(), true);
      expect(Number(await total())).toBe(before + late.rows.length);
    }
  });
});
