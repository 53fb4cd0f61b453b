import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { edgeText, netEdges, runBatches } from '../../services/lineage/run-fixture.ts';
import { stepsOfCapture } from './captured-runs.ts';

const EMITTERS = readdirSync(new URL('../fixtures/captures/', import.meta.url)).sort();

/** These have their edges in the snapshot, which is reviewed as it changes. */
const REVIEWED = [
  'copilot-cli',
  'genkit',
  'google-adk',
  'langfuse',
  'mastra',
  'openai-agents-openinference',
  'otel-openai',
  'strands',
  'vercel-ai7',
] as const;

/** In each of these a sub-agent works inside another one, and the payload says so. */
const NESTED: readonly (readonly [emitter: string, edge: string])[] = [
  ['genkit', 'agent:triageFlow_openai delegates agent:refundsFlow_openai'],
  ['google-adk', 'agent:triage delegates agent:refunds'],
  ['google-adk', 'agent:triage hands_off agent:refunds'],
  ['google-adk', 'agent:letter delegates agent:writer'],
  ['langfuse', 'agent:triage delegates agent:refunds'],
  ['langfuse-langchain', 'agent:triage delegates agent:refunds'],
  ['mastra', 'agent:triage delegates agent:refunds [agent_id=refunds]'],
  ['mastra-bridge', 'agent:triage delegates agent:refunds [agent_id=refunds]'],
  ['openai-agents-native', 'agent:triage hands_off agent:refunds'],
  ['openai-agents-native', 'agent:triage delegates agent:refunds'],
  ['openai-agents-openinference', 'agent:triage hands_off agent:refunds'],
  ['openinference-langchain', 'agent:triage delegates agent:refunds'],
  ['openinference-vercel', 'agent:triage delegates agent:refunds'],
  ['openllmetry', 'agent:triage delegates agent:refunds'],
  ['otel-openai', 'agent:triage delegates agent:refunds [agent_id=ag-refunds]'],
  ['strands', 'agent:triage delegates agent:refunds [agent_id=refunds-1]'],
  ['vercel-ai7', 'agent:triage delegates agent:refunds'],
  ['vercel-ai7-default', 'agent:triage delegates agent:refunds'],
  ['vercel-ai7-legacy', 'agent:triage delegates agent:refunds'],
];

type Arrange = (run: readonly AgentStep[]) => readonly (readonly AgentStep[])[];

/** Edges of every run of a capture, runs in the order they come. */
const edgesOf = (emitter: string, arrange: Arrange = (run) => [run]): readonly (readonly string[])[] =>
  [...Map.groupBy(stepsOfCapture(emitter), (step) => `${step.tenant_id}|${step.run_id}`)].map(([key, run]) =>
    netEdges(runBatches(arrange(run), undefined, key).rows).map(edgeText),
  );

describe('lineage of what real SDKs send', () => {
  test.each(REVIEWED)('%s', (emitter) => {
    expect(edgesOf(emitter).filter((run) => run.length > 0)).toMatchSnapshot();
  });

  test.each(NESTED)('%s: %s', (emitter, edge) => {
    expect(edgesOf(emitter).flat()).toContain(edge);
  });

  test.each(EMITTERS)('%s gives the same edges one step at a time, backwards and twice', (emitter) => {
    // The longest run of a capture has near a thousand steps: enough of them show every order.
    const few = (run: readonly AgentStep[]) => run.slice(0, 150);
    const atOnce = edgesOf(emitter, (run) => [few(run)]);
    expect(edgesOf(emitter, (run) => [...few(run)].reverse().flatMap((step) => [[step], [step]]))).toEqual(atOnce);
  });

  test.each(EMITTERS.filter((emitter) => emitter !== 'mcp-openinference'))(
    '%s: every tool and model that the steps name is met',
    (emitter) => {
      const steps = stepsOfCapture(emitter);
      const edges = edgesOf(emitter).flat().join('\n');
      const tools = steps.filter((step) => step.step_kind === 'tool').flatMap((step) => step.tool_name ?? []);
      const models = steps.filter((step) => step.call?.role === 'leaf').flatMap((step) => step.response_model ?? []);
      for (const name of new Set(tools)) expect(edges).toContain(`invokes tool:${name}`);
      for (const name of new Set(models)) expect(edges).toContain(`uses_model model:${name}`);
      expect(edges.length).toBeGreaterThan(0);
    },
  );
});
