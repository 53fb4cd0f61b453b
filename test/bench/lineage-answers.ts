/**
 * How fast lineage answers over a large table, and what it costs to write it: `node test/bench/lineage-answers.ts --edges
 * 10000000`. Rows are made by the engine itself, in the form the fold writes them: runs of ten edges over 30 days, 20,000
 * tables, each run reads three of them, writes one and derives it; popularity falls off as the square root of the number.
 * Beside them lie the spans of the last day, as many as there are edges of a day. The answers are those of the API, whole,
 * without a socket, nothing cached by us; they are asked once the merges of the load have ended.
 */
import { z } from 'zod';
import { systemClock } from '../../services/runtime/clock.ts';
import { testApi } from '../support/api.ts';
import { startTestEngine } from '../support/engine.ts';
import { DAYS, dataset, edgesSql, spansSql } from './lineage-rows.ts';
import { cpuSeconds } from './process-figures.ts';
import { benchOptions, machine, type Row, report, say } from './report.ts';
import { median } from './statistics.ts';

const options = benchOptions({ edges: '10000000', rounds: '7' }, { edges: '300000', rounds: '3' });
const edges = options.count('edges');
const PIECE = 500_000;
/** Longest wait for merges: then the figures are what they are while it merges. */
const MERGE_POLLS_MAX = 600;
const where = machine();
const engine = await startTestEngine();
const { store } = engine;
const app = testApi(store);
const nowMs = systemClock.nowMs();
const engineMs = (): number => cpuSeconds(engine.engine.pid() ?? 0) * 1_000;

const began = performance.now();
for (let from = 0; from < edges; from += PIECE)
  await store.command(`INSERT INTO lineage_edges ${edgesSql(edges, from, Math.min(PIECE, edges - from), nowMs)}`);
await store.command(spansSql(Math.ceil(edges / DAYS), nowMs));
for (let polls = 0; polls < MERGE_POLLS_MAX; polls += 1) {
  const open = await store.query('SELECT 1 AS one FROM system.merges');
  if (open.length === 0) break;
  await systemClock.sleep(500);
}
say(`${edges.toLocaleString('en-US')} edges made and merged in ${((performance.now() - began) / 1000).toFixed(0)} s`);

const truncation = z.object({ truncated: z.boolean() });
const ask = async (what: string, path: string): Promise<Row> => {
  const times: number[] = [];
  let rows = '';
  const cpuBefore = engineMs();
  for (let round = 0; round < options.count('rounds'); round += 1) {
    const start = performance.now();
    const answer = await app.inject({ url: `/api/v1/${path}`, headers: { host: 'localhost:7070' } });
    times.push(performance.now() - start);
    if (answer.statusCode !== 200) throw new Error(answer.body.slice(0, 300));
    const body: Record<string, unknown> = answer.json();
    const list = body['edges'] ?? body['touches'];
    rows = `${Array.isArray(list) ? list.length : 0}${truncation.parse(body).truncated ? ', cut' : ''}`;
  }
  return {
    answer: what,
    rows,
    median_ms: Math.round(median(times)),
    worst_ms: Math.round(Math.max(...times)),
    engine_cpu_ms: Math.round((engineMs() - cpuBefore) / times.length),
  };
};

const answers: Row[] = [];
for (const [name, number] of [
  ['a rare table', 18_000],
  ['a common table', 150],
  ['the commonest table', 0],
] as const) {
  const node = dataset(number);
  for (const [what, path] of [
    ['data down, depth 5, 1 day', `lineage?node=${node}&follow=data&direction=down&depth=5&from=24h`],
    ['data up, depth 5, 30 days', `lineage?node=${node}&follow=data&direction=up&depth=5`],
    ['edges up, depth 5, 30 days', `lineage?node=${node}&direction=up&depth=5`],
    ['who wrote it in 1 day, from what', `lineage/touches?node=${node}&way=writes&from=24h`],
    ['who wrote it in 30 days, from what', `lineage/touches?node=${node}&way=writes`],
  ] as const)
    answers.push(await ask(`${name}: ${what}`, path));
}
answers.push(await ask('an agent: edges down, depth 5, 30 days', 'lineage?node=agent:agent-7&direction=down&depth=5'));

/** Copies of the table, as it is and without its projections, written to in batches of a size. */
const writing = async (): Promise<readonly Row[]> => {
  const [shown] = await store.query<{ statement: string }>('SHOW CREATE TABLE lineage_edges');
  const ddl = shown?.statement ?? '';
  for (const name of ['written_by_node', 'written_plain'])
    await store.command(ddl.replace('tacho.lineage_edges', `tacho.${name}`));
  for (const name of ['by_from', 'by_to']) await store.command(`ALTER TABLE written_plain DROP PROJECTION ${name}`);
  const rows: Row[] = [];
  for (const [size, inserts] of [
    [500, 20],
    [20_000, 5],
  ] as const)
    for (const table of ['written_plain', 'written_by_node']) {
      const before = engineMs();
      for (let at = 0; at < inserts; at += 1)
        await store.command(
          `INSERT INTO ${table} ${edgesSql(10_000_000, (size === 500 ? 0 : 1_000_000) + at * size, size, nowMs)}`,
        );
      const cpu = (engineMs() - before) / inserts;
      rows.push({ table, edges_an_insert: size, engine_cpu_ms_an_insert: Math.round(cpu) });
    }
  return rows;
};
const sizes = async (): Promise<readonly Row[]> =>
  store.query(`SELECT 'lineage_edges' AS what, round(sum(bytes_on_disk) / sum(rows), 1) AS bytes_an_edge FROM system.parts
WHERE active AND database = 'tacho' AND table = 'lineage_edges'
UNION ALL
SELECT concat('of them ', name), round(sum(bytes_on_disk) / sum(rows), 1) FROM system.projection_parts
WHERE active AND database = 'tacho' AND table = 'lineage_edges' GROUP BY name`);

const tables = { answers, bytes: await sizes(), writing: await writing() };
report('lineage-answers', options, where, tables);
await app.close();
await engine.close();
