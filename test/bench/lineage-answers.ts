// How fast lineage answers over a large table. Usage: node test/bench/lineage-answers.ts [edges]
// Rows are made by the engine itself, in the form the fold writes them: runs of ten edges over 30 days, 20,000 tables, each
// run reads up to three tables, writes one and derives it; popularity falls off as the square root of the number. The
// answers are those of the API, without a socket, each asked with nothing cached by us.
import { z } from 'zod';
import { systemClock } from '../../services/runtime/clock.ts';
import { testApi } from '../support/api.ts';
import { startTestEngine } from '../support/engine.ts';

const edges = Number(process.argv[2] ?? 10_000_000);
const PIECE = 1_000_000;
const ROUNDS = 5;
const engine = await startTestEngine();
const app = testApi(engine.store);
const nowMs = systemClock.nowMs();

const table = (salt: string): string => `toUInt32(pow(cityHash64(run, '${salt}') % 10000 / 10000, 2) * 20000)`;
const id = (salt: string): string => `concat('postgres://db:5432/wh.public.t', toString(${table(salt)}))`;

const began = performance.now();
for (let from = 0; from < edges; from += PIECE) {
  await engine.store.command(`INSERT INTO lineage_edges
SELECT lower(hex(cityHash64(number, 1))) AS edge_id, 'bench' AS tenant_id,
  fromUnixTimestamp64Micro(toInt64(${nowMs - 86_400_000 * 30} + intDiv(run * 86400000 * 30, ${Math.ceil(edges / 10)})) * 1000 + kind * 1000, 'UTC') AS ts,
  lower(hex(MD5(toString(run)))) AS run_id, run_id AS trace_id, lower(hex(cityHash64(number, 2))) AS span_id, span_id AS step_id,
  multiIf(kind IN (0, 1), 'agent', kind = 9, 'run', kind < 6, 'tool', 'dataset') AS from_kind,
  multiIf(kind IN (0, 1), agent, kind = 9, run_id, kind < 6, tool, kind = 6, ${id('a')}, kind = 7, ${id('b')}, ${id('c')}) AS from_id,
  if(kind BETWEEN 2 AND 5, [concat('agent=', agent)], []) AS from_fields,
  multiIf(kind = 0, 'user', kind = 1, 'tool', kind = 9, 'agent', 'dataset') AS to_kind,
  multiIf(kind = 0, concat('user-', toString(run % 5000)), kind = 1, tool, kind = 9, agent, kind = 2, ${id('a')}, kind = 3, ${id('b')}, kind = 4, ${id('c')}, ${id('w')}) AS to_id,
  ['namespace=postgres://db:5432'] AS to_fields,
  multiIf(kind = 0, 'acts_for', kind = 1, 'invokes', kind = 9, 'invokes', kind = 5, 'writes', kind < 5, 'reads', 'derives') AS edge,
  ['order', 'context', 'value'][1 + kind % 3] AS evidence_level, [] AS flags, 1 AS weight, NULL AS reverses_edge_id, 'bench' AS batch_id,
  fromUnixTimestamp64Milli(toInt64(${nowMs}), 'UTC') AS logged_at
FROM (
  SELECT number, intDiv(number, 10) AS run, number % 10 AS kind,
    concat('agent-', toString(run % 100)) AS agent, concat('tool-', toString(cityHash64(run, 't') % 400)) AS tool
  FROM numbers(${from}, ${Math.min(PIECE, edges - from)})
)`);
}
console.log(`${edges.toLocaleString('en-US')} edges made in ${((performance.now() - began) / 1000).toFixed(0)} s`);

const truncation = z.object({ truncated: z.boolean() });
const node = (number: number): string => encodeURIComponent(`dataset:postgres://db:5432/wh.public.t${number}`);
const ask = async (what: string, path: string): Promise<void> => {
  const times: number[] = [];
  let size = '';
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    const answer = await app.inject({ url: `/api/v1/${path}`, headers: { host: 'localhost:7070' } });
    times.push(performance.now() - start);
    if (answer.statusCode !== 200) throw new Error(answer.body.slice(0, 300));
    const body: Record<string, unknown> = answer.json();
    const count = Array.isArray(body['edges']) ? body['edges'].length : (body['touches'] as unknown[]).length;
    size = `${count} rows${truncation.parse(body).truncated ? ', cut' : ''}`;
  }
  times.sort((a, b) => a - b);
  console.log(`${what}: median ${times[2]?.toFixed(0)} ms, worst ${times.at(-1)?.toFixed(0)} ms (${size})`);
};

for (const [name, number] of [
  ['a rare table', 18_000],
  ['a common table', 150],
] as const) {
  await ask(
    `${name}: data down, depth 5, 1 day`,
    `lineage?node=${node(number)}&follow=data&direction=down&depth=5&from=24h`,
  );
  await ask(`${name}: data up, depth 5, 30 days`, `lineage?node=${node(number)}&follow=data&direction=up&depth=5`);
  await ask(`${name}: edges up, depth 5, 30 days`, `lineage?node=${node(number)}&direction=up&depth=5`);
  await ask(`${name}: who wrote it in 1 day, from what`, `lineage/touches?node=${node(number)}&way=writes&from=24h`);
  await ask(`${name}: who wrote it in 30 days, from what`, `lineage/touches?node=${node(number)}&way=writes`);
}
await app.close();
await engine.close();
