import { randomUUID } from 'node:crypto';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { hash128 } from '../../schemas/identity.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { loadRuleSet } from '../../services/policy/load.ts';
import type { RuleSet } from '../../services/policy/rule-set.ts';
import { createRulesInForce } from '../../services/policy/rules-in-force.ts';
import { ruleText, stepsOf } from '../../services/policy/step-fixture.ts';
import { createPolicyTask } from '../../services/policy/task.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { EventLog, LogRecord, OutgoingRecord, RuleFiles, Store } from '../../services/runtime/ports.ts';
import { createStreamService } from '../../services/runtime/stream/service.ts';
import { silentLogger } from '../support/engine.ts';
import { until } from '../support/tacho.ts';

/** A folder of one rule file in memory, whose text a test changes. */
export const createRuleFolder = (text: string) => {
  let version = 0;
  let now = text;
  const files: RuleFiles = {
    dir: 'memory',
    stamp: async () => String(version),
    read: async () => ({ files: [{ path: 'rules.yaml', text: now, problem: null }], changedAtMs: version }),
  };
  return {
    files,
    write: (changed: string): void => {
      version += 1;
      now = changed;
    },
  };
};

/** One policy process: its rules, and its stream service. */
export const startPolicy = async (log: EventLog, store: Store, files: RuleFiles) => {
  const deps = { log, store, files, clock: systemClock, logger: silentLogger, metrics: createMetrics() };
  const rules = createRulesInForce(deps);
  const stream = createStreamService(deps, createPolicyTask(rules.sets, deps), {
    batchRecordsMax: 12,
    batchBytesMax: 8_000_000,
    lingerMs: 5,
    idleMs: 50,
    onCrash: (error) => {
      throw error;
    },
  });
  await rules.start();
  await stream.start();
  return { rules, stream };
};
export type Policy = Awaited<ReturnType<typeof startPolicy>>;

const DETECTOR = (version: string): string => `---
apiVersion: tachograph/v1
kind: Detector
id: loop
version: ${version}
type: loop
title: "{{count}} times"
levels: [{count: 3, severity: medium}, {count: 6, severity: high}]
`;

/** Rule sets that find different things in the same steps, agree on some of them, and one that looks at none. */
export const RULE_TEXTS: readonly string[] = [
  `${ruleText({ id: 'every' })}---\n${ruleText({ id: 'once', dedupe: '{key: [e.tool.name]}' })}${DETECTOR('1.0.0')}`,
  `${ruleText({ id: 'once', dedupe: '{key: [e.tool.name]}' })}---\n${ruleText({ id: 'never', when: "'false'" })}${DETECTOR('1.0.0')}`,
  `${ruleText({ id: 'every', version: '2.0.0', severity: 'low' })}${DETECTOR('2.0.0')}`,
  ruleText({ id: 'elsewhere', on: '[egress]' }),
];
export const BROKEN_TEXT = ruleText({ severity: 'none' });

/** The sets of `RULE_TEXTS` by hash, the silent one last. */
export const ruleSets = (): readonly RuleSet[] =>
  RULE_TEXTS.map((text) => {
    const outcome = loadRuleSet([{ path: 'rules.yaml', text, problem: null }]);
    if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
    return outcome.set;
  });

/** Calls of tools in several runs, each with an identity and a place in the log of its own. */
export const toolSteps = (count: number, random: () => number): readonly AgentStep[] =>
  Array.from({ length: count }, (_, at) => {
    const pick = (most: number): number => Math.floor(random() * most);
    const raw = {
      at: `${pick(3_000)}s`,
      kind: 'tool',
      tool: { name: `tool-${pick(4)}`, arguments: `{"a":${pick(2)}}` },
    };
    const [step] = stepsOf(raw);
    if (step === undefined) throw new Error('a step is expected');
    const run = hash128(['run', String(pick(9))]);
    return { ...step, run_id: run, step_id: hash128(['step', String(at)]), log_offset: at };
  });

export const recordOf = (step: AgentStep): OutgoingRecord => ({
  topic: TOPICS.steps,
  key: `${step.tenant_id}|${step.run_id}`,
  value: encodeAgentStep(step),
});

/** Everything of a topic, by partition, read by a group of its own. */
export const readTopic = async (log: EventLog, topic: string): Promise<ReadonlyMap<number, readonly LogRecord[]>> => {
  const read = new Map<number, LogRecord[]>();
  const consumer = await log.consume({
    group: `reader-${randomUUID()}`,
    topics: [topic],
    recordsMax: 1_000,
    bytesMax: 8_000_000,
    lingerMs: 1,
    idleMs: 10,
    assigned: async ({ partition, logStart }) => ({
      startOffset: logStart,
      onBatch: async ({ records }) => {
        read.set(partition, [...(read.get(partition) ?? []), ...records]);
        return 'continue';
      },
      onIdle: async () => {},
    }),
    onCrash: (error) => {
      throw error;
    },
  });
  await until(`all of ${topic} is read`, async () => {
    const ranges = await log.ranges(topic);
    return ranges.every(({ partition, start, end }) => (read.get(partition)?.length ?? 0) >= end - start) ? true : null;
  });
  await consumer.close();
  return read;
};
