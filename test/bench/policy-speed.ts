/** Steps per CPU-second through the policy fold: `node test/bench/policy-speed.ts`. Ten passes over the captures. */
import { readdirSync } from 'node:fs';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep, encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { loadFolder } from '../../services/commands/policy-check.ts';
import { loadRuleSet, type RuleFile } from '../../services/policy/load.ts';
import type { RuleSet } from '../../services/policy/rule-set.ts';
import { judgeRun } from '../../services/policy/run-step.ts';
import { emptyState, serialiseState } from '../../services/policy/state.ts';
import { stepsOfCapture } from '../golden/captured-runs.ts';

const PASSES = 10;
const RULES = 20;

const rule = (id: number, on: string, when: string): string => `apiVersion: tachograph/v1
kind: Rule
id: bench.${id}
version: 1.0.0
title: "bench {{e.name}}"
severity: low
on: [${on}]
when: '${when}'
---
`;

const CONDITIONS: readonly (readonly [on: string, when: string])[] = [
  ['tool', 'e.tool.name == "drop_table" || e.tool.name.startsWith("delete_")'],
  ['tool', 'has(e.tool.arguments) && e.tool.arguments.matches("(?i)rm -rf|curl [^|]+[|] *sh")'],
  ['llm', 'has(e.llm.total_tokens) && e.llm.total_tokens > 100000'],
  ['llm, embedding', 'has(e.llm.model) && glob(e.llm.model, "text-davinci-*")'],
  ['tool, llm, agent, workflow, other', 'e.pii.output.exists(c, c == "private_key")'],
  ['egress, tool', 'has(e.egress.host) && host_in(e.egress.host, ["pastebin.com", "ngrok.io"])'],
  ['agent, workflow', 'has(e.user_id) && e.user_id == "root"'],
];

/** Twenty rules: the built-in ones and others of the same making. */
const twenty = (builtin: RuleSet): RuleSet => {
  const own = builtin.rules.length + builtin.detectors.length;
  const text = Array.from({ length: RULES - own }, (_, at) => {
    const [on, when] = CONDITIONS[at % CONDITIONS.length] ?? ['tool', 'true'];
    return rule(at, on, when);
  }).join('');
  const files: RuleFile[] = Object.entries({ ...builtin.files, 'bench.yaml': text }).map(([path, each]) => ({
    path,
    text: each,
    problem: null,
  }));
  const outcome = loadRuleSet(files);
  if (outcome.kind === 'refused') throw new Error(JSON.stringify(outcome.problems));
  return outcome.set;
};

const measure = (name: string, set: RuleSet, encoded: readonly (readonly Uint8Array[])[]): void => {
  let steps = 0;
  let violations = 0;
  const before = process.cpuUsage();
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const run of encoded) {
      const decoded = run.flatMap((bytes): AgentStep[] => {
        const outcome = decodeAgentStep(bytes);
        return outcome.kind === 'ok' ? [{ ...outcome.value, tenant_id: 'demo' }] : [];
      });
      const [first] = decoded;
      if (first === undefined) continue;
      const judged = judgeRun(emptyState(`demo|${first.run_id}`), decoded, set, 0);
      serialiseState(judged.state);
      steps += decoded.length;
      violations += judged.violations.length;
    }
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const rules = set.rules.length + set.detectors.length;
  process.stdout.write(
    `${name}: ${rules} rules, ${steps} steps, ${violations} violations, ${Math.round(steps / seconds)} steps per CPU-second\n`,
  );
};

const captures = readdirSync(new URL('../fixtures/captures/', import.meta.url));
const runs = Map.groupBy(
  captures.flatMap((name) => stepsOfCapture(name)),
  (step) => step.run_id,
);
const encoded = [...runs.values()].map((steps) => steps.map(encodeAgentStep));
const outcome = await loadFolder('config/policies');
if (outcome.kind === 'refused') throw new Error('the built-in rules do not load');
const none = loadRuleSet([]);
if (none.kind === 'refused') throw new Error('no rules do not load');
measure('warm-up', outcome.set, encoded);
measure('no rules (decode and state)', none.set, encoded);
measure('built-in', outcome.set, encoded);
measure('twenty', twenty(outcome.set), encoded);
