import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { hash128 } from '../../schemas/identity.ts';
import { decodePolicyViolation } from '../../schemas/policy-violation.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { audit } from '../../services/audit/audit.ts';
import type { RuleSet } from '../../services/policy/rule-set.ts';
import { judgeRun } from '../../services/policy/run-step.ts';
import { emptyState, type PolicyState } from '../../services/policy/state.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { TransportError } from '../../services/runtime/errors.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { Store } from '../../services/runtime/ports.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { createPipelineLog } from '../support/pipeline.ts';
import { seeded } from '../support/random.ts';
import { until } from '../support/tacho.ts';
import {
  BROKEN_TEXT,
  createRuleFolder,
  type Policy,
  RULE_TEXTS,
  readTopic,
  recordOf,
  ruleSets,
  startPolicy,
  toolSteps,
} from './policy-kit.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
/** A seed takes some fifteen seconds; more of them by hand: CHAOS_SEEDS=20. */
const SEEDS = Array.from({ length: Number(process.env['CHAOS_SEEDS'] ?? 1) }, (_, at) => [SEED + at] as const);
const GROUP = 'tacho-policy';
const STEPS = 240;
/** Steps at the end that are judged without failures, by each of two sets. */
const LAST = 20;

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

/** A store that loses requests, loses answers, and lands parts of inserts: whatever lies between an intent and its commit. */
const unreliable = (real: Store, random: () => number): Store => ({
  ...real,
  insert: async (table, rows, options) => {
    const failure = () => new TransportError('STORE_UNAVAILABLE', 'chaos', { retryable: true });
    const dice = random();
    if (dice < 0.08) throw failure();
    if (dice < 0.16 && rows.length > 1) {
      await real.insert(table, rows.slice(1), { ...options, token: `${options.token}/part` });
      throw failure();
    }
    await real.insert(table, rows, options);
    if (dice < 0.24) throw failure();
  },
});

/** Feeds steps, a third of them twice, while rules change, members are taken for dead, processes die and offsets get lost. */
const feed = async (steps: readonly AgentStep[], chaotic: Store, random: () => number): Promise<Policy> => {
  const folder = createRuleFolder(RULE_TEXTS[0] ?? '');
  const start = async () => {
    const client = log.openClient();
    return { client, policy: await startPolicy(client, chaotic, folder.files).catch(() => null) };
  };
  const begin = async () => {
    for (;;) {
      const { client, policy } = await start();
      if (policy !== null) return { client, policy };
      client.crash();
    }
  };
  const [most, last] = [steps.slice(0, -2 * LAST), steps.slice(-2 * LAST)];
  const records = [...most, ...most.filter((_, at) => at % 3 === 0), ...last].map(recordOf);
  let running = await begin();
  while (records.length > 2 * LAST) {
    await log.append(records.splice(0, 10));
    if (random() < 0.5) folder.write([...RULE_TEXTS, BROKEN_TEXT][Math.floor(random() * 5)] ?? '');
    await systemClock.sleep(Math.floor(random() * 500));
    const dice = random();
    if (dice < 0.3) log.faults.evictMembers(GROUP);
    if (dice < 0.6) continue;
    running.client.crash();
    await running.policy.rules.drain();
    if (dice > 0.8) log.faults.loseOffsets(GROUP);
    running = await begin();
  }
  // Whatever chance did so far: at least two sets have judged.
  for (const at of [0, 1]) {
    folder.write(RULE_TEXTS[at] ?? '');
    const { current } = running.policy.rules.sets;
    await until('the set is in force', async () => (current() === ruleSets()[at]?.hash ? true : null));
    await log.append(records.splice(0, LAST));
    await untilJudged(running.policy);
  }
  return running.policy;
};

const untilJudged = async ({ stream }: Policy): Promise<void> => {
  await until('everything is judged', async () => {
    for (const range of await log.ranges(TOPICS.steps)) {
      const reader = stream.report().partitions.find(({ partition }) => partition === range.partition);
      if ((reader?.next_offset ?? 0) < range.end) return null;
    }
    return true;
  });
};

interface Batch {
  readonly batch_id: string;
  readonly partition: number;
  readonly first_text: string;
  readonly end_text: string;
}
interface Found {
  readonly batch_id: string;
  readonly violation_id: string;
  readonly ruleset_hash: string;
}
interface Counted {
  readonly batch_id: string;
  readonly rule: string;
  readonly ruleset_hash: string;
  readonly steps: string;
}

/** The pure fold over the batches as the manifest has them, each by the set its rows name. */
const straightRun = async (batches: readonly Batch[], setOf: (batchId: string) => RuleSet) => {
  const states = new Map<string, PolicyState>();
  const found: Found[] = [];
  const counted: Counted[] = [];
  const all = await readTopic(log, TOPICS.steps);
  for (const { batch_id, partition, first_text, end_text } of batches) {
    const [first, end] = [Number(first_text), Number(end_text)];
    const records = (all.get(partition) ?? []).filter(({ offset }) => offset >= first && offset < end);
    const steps = records.map(({ value }) => {
      const decoded = decodeAgentStep(value);
      if (decoded.kind === 'refused') throw new Error(decoded.detail);
      return decoded.value;
    });
    const set = setOf(batch_id);
    for (const [key, own] of Map.groupBy(steps, (step) => `${step.tenant_id}|${step.run_id}`)) {
      const judged = judgeRun(states.get(key) ?? emptyState(key), own, set, 0);
      states.set(key, judged.state);
      for (const { violation_id, ruleset_hash } of judged.violations)
        found.push({ batch_id, violation_id, ruleset_hash });
      for (const row of judged.coverage.rows({ ruleset_hash: set.hash, batch_id, logged_at: '' }))
        if (row['field'] === '')
          counted.push({ batch_id, rule: String(row['rule_id']), ruleset_hash: set.hash, steps: String(row['steps']) });
    }
  }
  return { found, counted };
};

const byText = <T>(rows: readonly T[]): readonly string[] => rows.map((row) => JSON.stringify(row)).sort();

const sumCounted = (rows: readonly Counted[]): readonly string[] =>
  [...Map.groupBy(rows, ({ batch_id, rule, ruleset_hash }) => `${batch_id} ${rule} ${ruleset_hash}`)]
    .map(([key, each]) => `${key} ${each.reduce((sum, { steps }) => sum + Number(steps), 0)}`)
    .sort();

describe('rules that change while batches are under way and processes die', () => {
  test.each(SEEDS)(
    'seed %i: each step is judged once, by the one set its batch names, as a straight run of the fold would',
    async (seed) => {
      const random = seeded(seed);
      const steps = toolSteps(STEPS, random);
      const policy = await feed(steps, unreliable(store, random), random);
      await untilJudged(policy);
      await policy.stream.drain();
      await policy.rules.drain();

      const batches = await store.query<Batch>(
        `SELECT batch_id, partition, toString(first) AS first_text, toString(end) AS end_text FROM batches
       WHERE service = 'policy' ORDER BY partition, first`,
      );
      const found = await store.query<Found>('SELECT batch_id, violation_id, ruleset_hash FROM policy_violations');
      const counted = await store.query<Counted>(
        `SELECT batch_id, rule_id AS rule, ruleset_hash, toString(steps) AS steps FROM policy_coverage WHERE field = ''`,
      );
      const named = Map.groupBy([...found, ...counted], ({ batch_id }) => batch_id);
      for (const [batch, rows] of named) expect(new Set(rows.map((row) => row.ruleset_hash)).size, batch).toBe(1);
      const sets = ruleSets();
      const silent = sets.at(-1);
      const setOf = (batchId: string): RuleSet => {
        const [row] = named.get(batchId) ?? [];
        const set = row === undefined ? silent : sets.find(({ hash }) => hash === row.ruleset_hash);
        if (set === undefined) throw new Error(`batch ${batchId} names a set nobody wrote`);
        return set;
      };

      const straight = await straightRun(batches, setOf);
      expect(byText(found)).toEqual(byText(straight.found));
      expect(sumCounted(counted)).toEqual(sumCounted(straight.counted));
      expect(new Set(found.map(({ violation_id }) => violation_id)).size).toBe(found.length);
      expect(new Set([...named.values()].map((rows) => rows[0]?.ruleset_hash)).size).toBeGreaterThan(1);
      expect(await toldOnTopic()).toEqual(new Set(found.map(({ violation_id }) => violation_id)));
      const report = await audit(store, { clock: systemClock, settleMs: 0 });
      expect(report.results.flatMap((result) => [...result.findings, ...result.waiting]).slice(0, 9)).toEqual([]);
    },
    180_000,
  );
});

/** A store at which every insert of a table fails, until it is let in. */
const lockedOut = (real: Store, locked: string): Store => ({
  ...real,
  insert: async (table, rows, options) => {
    if (table === locked) throw new TransportError('STORE_UNAVAILABLE', 'locked', { retryable: true });
    await real.insert(table, rows, options);
  },
});

describe('a process that dies between the rows of a batch and its manifest, its intent lost with it', () => {
  /** Judges all steps by one set, and all again by another after the crash; gives the sets that the rows name. */
  const judgeTwice = async (first: string, second: string, locked: string) => {
    const folder = createRuleFolder(first);
    const client = log.openClient();
    const dying = await startPolicy(client, lockedOut(store, locked), folder.files);
    const steps = toolSteps(10, seeded(7)).map((step) => ({ ...step, run_id: hash128(['one run']) }));
    await log.append(steps.map(recordOf));
    const landed = locked === 'batches' ? 'run_state' : 'policy_coverage';
    await until('rows landed', async () => {
      const [row] = await store.query<{ n: string }>(`SELECT count() AS n FROM ${landed}`);
      return row?.n === '0' ? null : true;
    });
    client.crash();
    await dying.rules.drain();
    log.faults.loseOffsets(GROUP);
    folder.write(second);
    const policy = await startPolicy(log, store, folder.files);
    await untilJudged(policy);
    await policy.stream.drain();
    await policy.rules.drain();
    const hashes = await store.query<{ hash: string }>(
      `SELECT DISTINCT ruleset_hash AS hash FROM policy_coverage UNION DISTINCT SELECT ruleset_hash FROM policy_violations`,
    );
    return hashes.map(({ hash }) => hash);
  };

  test.each(['batches', 'run_state'])(
    'judges it by the set of its rows, whatever was loaded since (%s missing)',
    async (locked) => {
      const [one, other] = RULE_TEXTS;
      expect(await judgeTwice(one ?? '', other ?? '', locked)).toEqual([ruleSets()[0]?.hash]);
    },
  );

  test('judges it by the set of its state, where that set found and counted nothing', async () => {
    const [one] = RULE_TEXTS;
    expect(await judgeTwice(RULE_TEXTS.at(-1) ?? '', one ?? '', 'batches')).toEqual([]);
  });
});

/** Ids of the violations that were produced; twice is allowed, missing is not. */
const toldOnTopic = async (): Promise<ReadonlySet<string>> => {
  const ids = new Set<string>();
  for (const records of (await readTopic(log, TOPICS.violations)).values())
    for (const { value } of records) {
      const decoded = decodePolicyViolation(value);
      if (decoded.kind === 'ok') ids.add(decoded.value.violation_id);
    }
  return ids;
};
