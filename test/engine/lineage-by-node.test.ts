import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { neighboursQuery, nodeTenantsQuery } from '../../services/api/queries/lineage.ts';
import { flowQuery, runContextQuery, touchesQuery } from '../../services/api/queries/lineage-flow.ts';
import type { Query } from '../../services/api/queries/query.ts';
import { removeCopies } from '../../services/audit/remove-rows.ts';
import { splitStatements } from '../../services/runtime/engine/sql-tokens.ts';
import type { Row } from '../../services/runtime/ports.ts';
import { renderDdl } from '../../services/runtime/store/ddl.ts';
import { readMigrations } from '../../services/runtime/store/migrate.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { createDice } from '../support/random.ts';
import { until } from '../support/tacho.ts';

const SEED = 20_261_123;
/** So many that the table has several granules: of one, a projection saves nothing and is not read. */
const RUNS = 12_000;
const TABLES = 300;
const ASKED = 8;
const HALF = 25_000;
const DAY = Date.UTC(2026, 2, 1);
const range = { fromMs: DAY, toMs: DAY + 86_400_000 };

/** Readings, writings and derivations of many runs, a part of them taken back and set again at another moment. */
const makeRows = (): readonly Row[] => {
  const dice = createDice(SEED);
  const rows: Row[] = [];
  const add = (run: number, edge: string, from: readonly [string, string], to: readonly [string, string]): void => {
    const id = `${run}-${edge}-${from[1]}-${to[1]}`;
    const row = (revision: number, weight: number): Row => ({
      edge_id: `${id}-${revision}-${weight}`,
      tenant_id: run % 7 === 0 ? 'other' : 'acme',
      ts: new Date(DAY + run * 7_000 + revision * 1_000).toISOString().slice(0, 23).replace('T', ' '),
      run_id: `run-${run}`,
      trace_id: `run-${run}`,
      span_id: `span-${id}`,
      step_id: `step-${id}`,
      from_kind: from[0],
      from_id: from[1],
      from_fields: from[0] === 'tool' ? [`agent=agent-${run % 5}`] : [],
      to_kind: to[0],
      to_id: to[1],
      to_fields: [`operation=${edge}`],
      edge,
      evidence_level: ['order', 'context', 'value'][run % 3] ?? 'order',
      flags: [],
      weight,
      reverses_edge_id: weight < 0 ? `${id}-${revision}-1` : null,
      batch_id: `batch-${run % 10}`,
      logged_at: '2026-03-02 00:00:00.000',
    });
    rows.push(row(0, 1));
    if (dice.chance(0.3)) rows.push(row(0, -1), ...(dice.chance(0.5) ? [row(1, 1)] : []));
  };
  for (let run = 0; run < RUNS; run += 1) {
    const table = (): readonly [string, string] => ['dataset', `wh/t${dice.within(0, TABLES)}`];
    const [read, written] = [table(), table()];
    add(run, 'acts_for', ['agent', `agent-${run % 5}`], ['user', `user-${run % 11}`]);
    add(run, 'reads', ['tool', `tool-${run % 9}`], read);
    add(run, 'writes', ['tool', `tool-${run % 9}`], written);
    if (read[1] !== written[1]) add(run, 'derives', read, written);
  }
  return rows;
};

/** One query of each kind that is answered by node, for some tables. */
const questions = (): readonly Query[] =>
  Array.from({ length: ASKED }, (_, at) => ({ kind: 'dataset' as const, id: `wh/t${at}` })).flatMap((node, at) => {
    const ask = { tenant: 'acme', range, limit: 500 };
    const runIds = Array.from({ length: 30 }, (_run, nth) => `run-${at + nth * 50}`);
    return [
      nodeTenantsQuery({ tenant: null, node, range }),
      neighboursQuery({ ...ask, nodes: [node], direction: 'up' }),
      neighboursQuery({ ...ask, nodes: [node], direction: 'down' }),
      flowQuery({
        ...ask,
        direction: 'down',
        points: [{ ...node, micros: (DAY + 3_600_000) * 1_000 }],
        levels: ['context', 'value'],
      }),
      touchesQuery({ ...ask, node, ways: ['reads', 'writes'], limit: 7 }),
      runContextQuery({ tenant: 'acme', node, runIds, range }),
    ];
  });

describe(`lineage_edges sorted by node as well (seed ${SEED})`, () => {
  const rows = makeRows();
  let engine: TestEngine;
  const answers = (more = ''): Promise<readonly (readonly unknown[])[]> =>
    Promise.all(questions().map(({ sql, params }) => engine.store.query(`${sql}${more}`, params)));
  const plainly = () => answers(', optimize_use_projections = 0');
  const settled = () =>
    until('no mutation is under way', async () => {
      const open = await engine.store.query(
        "SELECT 1 AS one FROM system.mutations WHERE table = 'lineage_edges' AND NOT is_done",
      );
      return open.length === 0 ? true : null;
    });

  beforeAll(async () => {
    engine = await startTestEngine();
    // A table as it was before the migration, with rows in it.
    for (const name of ['by_from', 'by_to'])
      await engine.store.command(`ALTER TABLE lineage_edges DROP PROJECTION ${name} SETTINGS mutations_sync = 2`);
    await engine.store.insert('lineage_edges', rows.slice(0, HALF), { token: 'before' });
    const migration = readMigrations().find(({ version }) => version.endsWith('lineage_by_node'));
    const ddl = renderDdl(migration?.sql ?? '', { database: 'tacho', replication: false, fsyncInserts: true });
    // Twice: a migration that was killed half-way is simply applied again.
    for (const statement of [...splitStatements(ddl), ...splitStatements(ddl)]) await engine.store.command(statement);
    await engine.store.insert('lineage_edges', rows.slice(HALF), { token: 'after' });
  }, 120_000);
  afterAll(async () => engine?.close());

  test('answers of rows from before and after are those of the table itself', async () => {
    const found = await answers();
    expect(found).toEqual(await plainly());
    expect(found.filter((answer) => answer.length > 0).length).toBeGreaterThan(questions().length / 2);
    await settled();
    expect(await answers()).toEqual(found);
  }, 120_000);

  test('each question by node is read as sorted by node', async () => {
    await settled();
    const [tenants, up, down, flow] = questions();
    for (const [query, name] of [
      [tenants, 'by_to'],
      [tenants, 'by_from'],
      [up, 'by_to'],
      [down, 'by_from'],
      [flow, 'by_from'],
    ] as const) {
      const plan = await engine.store.query<{ explain: string }>(`EXPLAIN ${query?.sql}`, query?.params);
      expect(plan.map(({ explain }) => explain).join('\n')).toContain(`(${name})`);
    }
  }, 60_000);

  test('an insert that comes twice, and a copy that the repair removes, leave no trace', async () => {
    const before = await answers();
    await engine.store.insert('lineage_edges', rows.slice(HALF), { token: 'after' });
    expect(await answers()).toEqual(before);
    const copies = rows.filter(({ batch_id }) => batch_id === 'batch-3');
    await engine.store.insert('lineage_edges', copies, { token: 'copies' });
    expect(await answers()).toEqual(await plainly());
    expect(await removeCopies(engine.store, 'lineage_edges', 'lineage', 'batch-3')).toBeGreaterThan(0);
    expect(await answers()).toEqual(before);
    expect(await plainly()).toEqual(before);
  }, 120_000);
});
