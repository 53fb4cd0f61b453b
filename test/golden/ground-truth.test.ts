import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { readFixture, stepsOfCapture } from './captured-runs.ts';
import { DIFFERENCES } from './ground-truth-differences.ts';

/** Tools that ran, agents, sessions and users: what happened (`index.json`) against what the steps say of it. */

interface GroundTruth {
  readonly scenario: { readonly session?: string; readonly user?: string } | null;
  readonly agents_run: readonly { readonly name: string }[];
  readonly tools_executed: readonly { readonly name: string; readonly ok: boolean }[];
  readonly llm_calls: readonly { readonly tool_calls?: readonly { readonly name: string }[] }[];
}

const index = readFixture('index.json') as {
  readonly emitters: Readonly<Record<string, { readonly ground_truth: GroundTruth }>>;
};
const EMITTERS = Object.keys(index.emitters).sort();

const tallyOf = (names: readonly string[]): ReadonlyMap<string, number> =>
  new Map([...Map.groupBy(names, (name) => name)].map(([name, list]) => [name, list.length]));

/** `tool check_fraud failed -2`: what the steps say more (+) or less (−) often than it happened. */
const differences = (what: string, told: readonly string[], happened: readonly string[]): readonly string[] => {
  const [steps, truth] = [tallyOf(told), tallyOf(happened)];
  return [...new Set([...told, ...happened])].sort().flatMap((name) => {
    const more = (steps.get(name) ?? 0) - (truth.get(name) ?? 0);
    return more === 0 ? [] : [`${what} ${name} ${more > 0 ? '+' : ''}${more}`];
  });
};

const isTool = (step: AgentStep): boolean => step.step_kind === 'tool' || step.step_kind === 'delegation';
const outcome = (name: string, isFailed: boolean): string => (isFailed ? `${name} failed` : name);

const toolDifferences = (steps: readonly AgentStep[], truth: GroundTruth): readonly string[] => {
  const tools = steps.filter(isTool);
  const nameOf = (step: AgentStep): string => step.tool_name ?? 'unnamed';
  // Of the coding CLIs the truth knows only what the model asked for, not how it ended.
  const asked = truth.llm_calls.flatMap((call) => (call.tool_calls ?? []).map(({ name }) => name));
  return truth.tools_executed.length === 0
    ? differences('tool', tools.map(nameOf), asked)
    : differences(
        'tool',
        tools.map((step) => outcome(nameOf(step), step.status === 'error')),
        truth.tools_executed.map(({ name, ok }) => outcome(name, !ok)),
      );
};

/** Those the application set, where no step tells them. */
const identityDifferences = (steps: readonly AgentStep[], truth: GroundTruth): readonly string[] => {
  const { session, user } = truth.scenario ?? {};
  return [
    ...(session === undefined || steps.some((step) => step.session_id === session) ? [] : ['no session']),
    ...(user === undefined || steps.some((step) => step.user_id === user) ? [] : ['no user']),
  ];
};

describe.each(EMITTERS)('%s', (emitter) => {
  test('tools, agents, session and user are those of the truth, but for what the payload explains', () => {
    const truth = index.emitters[emitter]?.ground_truth;
    if (truth === undefined) throw new Error(emitter);
    const steps = stepsOfCapture(emitter);
    const agents = steps.filter((step) => step.step_kind === 'agent').map((step) => step.agent_name ?? 'unnamed');
    const found = [
      ...toolDifferences(steps, truth),
      ...differences(
        'agent',
        agents,
        truth.agents_run.map(({ name }) => name),
      ),
      ...identityDifferences(steps, truth),
    ];
    expect(found).toEqual(Object.keys(DIFFERENCES[emitter] ?? {}));
  });
});
