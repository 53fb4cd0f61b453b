import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { runBatches } from '../../services/lineage/run-fixture.ts';
import { normalizeBatch } from '../../services/normalizer/processor.ts';
import { createRedactor } from '../../services/normalizer/redact.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { testApi } from '../support/api.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { derivationsOf, makeWorld, NAMESPACE, spreadOf, type WorldTouch } from '../support/lineage-world.ts';
import { createDice, type Dice } from '../support/random.ts';

const SEED = 20_261_122;
const RUNS = 120;
const nowMs = systemClock.nowMs();
/** Whole milliseconds of the past, so that no moment is cut on its way. */
const world = makeWorld(SEED, RUNS, (Math.floor(nowMs / 1_000) - 7_200) * 1_000_000);
const derivations = derivationsOf(world.touches);

/** The steps the real normalizer makes of the spans. */
const stepsOfWorld = (): readonly AgentStep[] =>
  world.traces.flatMap((trace, offset) => {
    const value = new TextEncoder().encode(JSON.stringify(trace));
    const batch = {
      logId: 'world',
      topic: 'otlp_spans',
      partition: 0,
      first: offset,
      end: offset + 1,
      records: [{ offset, timestampMs: nowMs, key: null, value, headers: {} }],
      variant: '',
      batchId: `world-${offset}`,
    };
    const source = {
      topic: 'otlp_spans',
      signal: 'spans',
      tenant: 'world',
      tenant_from: 'header',
      vantage: 'agent',
    } as const;
    const options = { redactor: createRedactor(true), mode: 'full' } as const;
    return normalizeBatch(batch, source, () => false, options).output.produce.map((record) => {
      const decoded = decodeAgentStep(record.value);
      if (decoded.kind === 'refused') throw new Error(decoded.detail);
      return decoded.value;
    });
  });

/** In any order, some twice, in batches of any size. */
const scattered = (steps: readonly AgentStep[], dice: Dice): readonly (readonly AgentStep[])[] => {
  const all = [...steps, ...steps.filter(() => dice.chance(0.2))]
    .map((step) => ({ step, at: dice.float() }))
    .sort((a, b) => a.at - b.at);
  const batches: AgentStep[][] = [[]];
  for (const { step } of all) {
    if (dice.chance(0.3)) batches.push([]);
    batches.at(-1)?.push(step);
  }
  return batches.filter((batch) => batch.length > 0);
};

let engine: TestEngine;
let app: FastifyInstance;

beforeAll(async () => {
  engine = await startTestEngine();
  app = testApi(engine.store);
  const dice = createDice(SEED + 1);
  const byRun = Map.groupBy(stepsOfWorld(), (step) => `${step.tenant_id}|${step.run_id}`);
  const rows = [...byRun].flatMap(([key, steps]) => runBatches(scattered(steps, dice), undefined, key).rows);
  const loggedAt = new Date(nowMs).toISOString().slice(0, 23).replace('T', ' ');
  await engine.store.insert(
    'lineage_edges',
    rows.map((row) => ({ ...row, logged_at: loggedAt })),
    { token: 'world' },
  );
}, 120_000);

afterAll(async () => {
  await app?.close();
  await engine?.close();
});

// biome-ignore lint/suspicious/noExplicitAny: answers of the API, whose shapes its own tests hold
const bodyOf = async (path: string): Promise<any> => {
  const answer = await app.inject({ url: `/api/v1/${path}`, headers: { host: 'localhost:7070' } });
  expect(answer.statusCode, `${path}: ${answer.body.slice(0, 300)}`).toBe(200);
  return answer.json();
};
const idOf = (table: string): string => `${NAMESPACE}/${table}`;
const node = (table: string): string => encodeURIComponent(`dataset:${idOf(table)}`);
const tables = [...new Set(world.touches.map(({ table }) => table))].sort();
const microsOf = (iso: string): number => Number(new Date(iso)) * 1_000;
const milli = (micros: number): number => Math.floor(micros / 1_000) * 1_000;

/** When a run first wrote each table. */
const seedsOf = (run: string): ReadonlyMap<string, number> => {
  const seeds = new Map<string, number>();
  for (const { table, start } of world.touches.filter((one) => one.run === run && one.way === 'writes'))
    seeds.set(table, Math.min(start, seeds.get(table) ?? Infinity));
  return seeds;
};
/** Evenly chosen: every one of them would take minutes of asking. */
const some = <T>(all: readonly T[], count: number): readonly T[] =>
  all.filter((_, at) => at % Math.ceil(all.length / count) === 0);

describe(`a made world of ${RUNS} runs (seed ${SEED})`, () => {
  test('has what it should have', () => {
    expect(tables.length).toBeGreaterThan(150);
    expect(new Set(world.touches.map(({ agent }) => agent)).size).toBe(10);
    expect(new Set(world.touches.map(({ tool }) => tool)).size).toBe(40);
    expect(new Set(derivations.map(({ level }) => level))).toEqual(new Set(['order', 'context', 'value']));
    const far = world.runs.map((run) => spreadOf(derivations, seedsOf(run)).size - seedsOf(run).size);
    expect(Math.max(...far)).toBeGreaterThan(20);
  });

  test('who touched each table, with which tool, as which agents, on whose behalf and from what, is the truth', async () => {
    for (const table of some(tables, 25)) {
      const found = await bodyOf(`lineage/touches?node=${node(table)}&limit=2000`);
      const text = (
        run: string,
        way: string,
        tool: string,
        agents: readonly string[],
        users: readonly string[],
        sources: readonly string[],
      ) => JSON.stringify({ run, way, tool, agents: [...agents].sort(), users, sources: [...sources].sort() });
      const told = found.touches.map(
        (touch: {
          run_id: string;
          way: string;
          tool: string;
          agents: string[];
          on_behalf_of: { users: string[]; told_by: string };
          sources: { id: string; evidence_level: string }[];
        }) => {
          expect(touch.on_behalf_of.told_by === 'unknown').toBe(!world.users.has(touch.run_id));
          const sources = touch.sources.map(({ id, evidence_level }) => `${id} ${evidence_level}`);
          return text(touch.run_id, touch.way, touch.tool, touch.agents, touch.on_behalf_of.users, sources);
        },
      );
      const truly = Map.groupBy(
        world.touches.filter((touch) => touch.table === table),
        ({ run, way, tool }: WorldTouch) => `${run} ${way} ${tool}`,
      );
      const expected = [...truly.values()].flatMap((touches) => {
        const [first] = touches;
        if (first === undefined) return [];
        const { run, way, tool } = first;
        const user = world.users.get(run);
        const sources = derivations.filter((one) => way === 'writes' && one.run === run && one.to === table);
        const agents = [...new Set(touches.map(({ agent }) => agent))];
        return [
          text(
            run,
            way,
            tool,
            agents,
            user === undefined ? [] : [user],
            sources.map(({ from, level }) => `${idOf(from)} ${level}`),
          ),
        ];
      });
      expect(told.sort(), table).toEqual(expected.sort());
    }
  }, 120_000);

  test('down from a run is everything that what it wrote can have got to, since when; nothing else', async () => {
    for (const run of some(world.runs, 12)) {
      const seeds = seedsOf(run);
      if (seeds.size === 0) continue;
      const found = await bodyOf(`lineage?node=run:${run}&follow=data&direction=down&depth=10`);
      expect(found.truncated).toBe(false);
      const told = found.nodes
        .filter((one: { distance: number }) => one.distance > 0)
        .map((one: { id: string; since: string }) => [one.id, microsOf(one.since)]);
      const expected = [...spreadOf(derivations, seeds)].map(([table, micros]) => [idOf(table), milli(micros)]);
      expect(told.sort(), run).toEqual(expected.sort());
    }
  }, 120_000);

  test('up from a table is everything it can have been made from, at every level of evidence', async () => {
    // Time backwards: what was written before the writing it goes into.
    const turned = (levels: readonly string[]) =>
      derivations
        .filter(({ level }) => levels.includes(level))
        .map(({ from, to, micros, ...rest }) => ({ ...rest, from: to, to: from, micros: -micros }));
    for (const table of some(tables, 6)) {
      for (const [evidence, levels] of [
        ['order', ['order', 'context', 'value']],
        ['value', ['value']],
      ] as const) {
        const found = await bodyOf(
          `lineage?node=${node(table)}&follow=data&direction=up&depth=10&evidence=${evidence}`,
        );
        expect(found.truncated).toBe(false);
        const told = found.nodes.map((one: { id: string }) => one.id).sort();
        const expected = [...spreadOf(turned(levels), new Map([[table, -Infinity]])).keys()].map(idOf).sort();
        expect(told, `${table} ${evidence}`).toEqual(expected);
      }
    }
  }, 120_000);

  test('a way is told between two tables exactly where data can have gone it, and each way in time', async () => {
    const source = tables[3] ?? '';
    const reached = spreadOf(derivations, new Map([[source, 0]]));
    for (const target of some(
      tables.filter((table) => table !== source),
      14,
    )) {
      const found = await bodyOf(`lineage/paths?source=${node(source)}&target=${node(target)}&depth=10`);
      expect(found.paths.length > 0, target).toBe(reached.has(target));
      for (const path of found.paths) {
        const moments = path.nodes.map(({ arrived }: { arrived: string }) => microsOf(arrived));
        expect([...moments].sort((a: number, b: number) => a - b)).toEqual(moments);
        expect(path.nodes.at(-1).id).toBe(idOf(target));
      }
    }
  }, 120_000);
});
