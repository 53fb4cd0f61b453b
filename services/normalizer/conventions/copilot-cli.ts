import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { readGenAi } from './otel-gen-ai.ts';

/**
 * GitHub Copilot CLI (`copilot help monitoring`; scope `github.copilot`). Follows OTel; spans alone tell its calls. Differs
 * in that its first agent has no name: the program is that agent, so that its calls are not taken for those of the only
 * sub-agent a run names. `github.copilot.cost` counts premium requests and is no money.
 */
export const copilotCli: Convention = {
  name: 'copilot-cli',
  matches: (view) => view.scope.name === 'github.copilot',
  read: (view) => readSpan(view),
};

const AGENT = 'copilot-cli';

const readSpan = (view: SpanView): StepFacts => {
  const facts = readGenAi(view);
  return facts.stepKind === 'agent' && facts.agentName === undefined ? { ...facts, agentName: AGENT } : facts;
};
