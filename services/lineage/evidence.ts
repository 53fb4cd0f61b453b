import type { AgentStep, StepLink } from '../../schemas/agent-step.ts';
import { printsIn } from '../../schemas/step-touch.ts';
import { agentOf, cleanName, type HandOff, handOffOf, type NamedNode, toolOf } from './node-names.ts';
import { type Touch, touchesOf } from './touches.ts';

/** Links kept of one step. */
const LINKS_MAX = 16;

/** What a step says of a model. `role` as in the step's call; 'named': the step describes no call. */
export interface ModelUse {
  readonly role: 'leaf' | 'wrapper' | 'named';
  /** The model that answered, else the one asked for; null: neither was told. */
  readonly model: string | null;
  readonly provider: string | null;
}

/** What lineage remembers of a step. Most steps say nothing of it: they only join others to their ancestors. */
export interface Evidence {
  readonly step_id: string;
  readonly signal: AgentStep['signal'];
  readonly step_kind: AgentStep['step_kind'];
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly start_unix_micros: number;
  readonly end_unix_micros: number;
  readonly said: Said | null;
}

/** The part that says something. */
export interface Said {
  readonly agent: NamedNode | null;
  readonly agent_id: string | null;
  readonly tool: NamedNode | null;
  readonly model: ModelUse | null;
  readonly user: string | null;
  readonly hand_off: HandOff | null;
  readonly touches: readonly Touch[];
  readonly links: readonly StepLink[];
  /** Short hashes of values that went in and came out; absent: none. */
  readonly took?: readonly string[];
  readonly gave?: readonly string[];
}

/** Lineage's share of a step. `declared`: what the tool it calls is said to touch. */
export const evidenceOf = (step: AgentStep, declared: readonly Touch[] = []): Evidence => {
  const said: Said = {
    agent: agentOf(step),
    agent_id: cleanName(step.agent_id),
    tool: toolOf(step),
    model: modelOf(step),
    user: cleanName(step.on_behalf_of) ?? cleanName(step.user_id),
    hand_off: handOffOf(step),
    touches: touchesOf(step, declared),
    links: step.step_kind === 'agent' || step.step_kind === 'delegation' ? linksOf(step) : [],
    ...printsOf(step),
  };
  return {
    step_id: step.step_id,
    signal: step.signal,
    step_kind: step.step_kind,
    trace_id: step.trace_id,
    span_id: step.span_id,
    parent_span_id: step.parent_span_id,
    start_unix_micros: step.start_unix_micros,
    end_unix_micros: step.end_unix_micros,
    said: saysNothing(said) ? null : said,
  };
};

const printsOf = ({ facts }: AgentStep): Pick<Said, 'took' | 'gave'> => {
  const [took, gave] = [printsIn(facts, 'in'), printsIn(facts, 'out')];
  return { ...(took.length === 0 ? {} : { took }), ...(gave.length === 0 ? {} : { gave }) };
};

const saysNothing = (said: Said): boolean =>
  said.agent === null &&
  said.tool === null &&
  said.model === null &&
  said.user === null &&
  said.hand_off === null &&
  said.touches.length === 0 &&
  said.links.length === 0 &&
  said.took === undefined &&
  said.gave === undefined;

const modelOf = (step: AgentStep): ModelUse | null => {
  const model = cleanName(step.response_model) ?? cleanName(step.request_model);
  const isCall = step.call !== null || step.step_kind === 'llm' || step.step_kind === 'embedding';
  if (!isCall || (model === null && step.call?.role !== 'leaf')) return null;
  return { role: step.call?.role ?? 'named', model, provider: cleanName(step.provider) };
};

const linksOf = (step: AgentStep): readonly StepLink[] =>
  step.links
    .slice(0, LINKS_MAX)
    .map(({ trace_id, span_id }) => ({ trace_id, span_id }))
    .sort((a, b) => (`${a.trace_id}|${a.span_id}` < `${b.trace_id}|${b.span_id}` ? -1 : 1));

/**
 * Of two copies of one step (a twin from another log position), the one to keep: more told, then by text. A choice by
 * a total order, so it does not matter in which order copies come.
 */
export const preferCopy = (a: Evidence, b: Evidence): Evidence => {
  const [textA, textB] = [JSON.stringify(a), JSON.stringify(b)];
  if (textA.length !== textB.length) return textA.length > textB.length ? a : b;
  return textA <= textB ? a : b;
};

/** About how many characters a step takes in a state's text. */
export const charsOf = ({ step_id, trace_id, span_id, parent_span_id, said }: Evidence): number =>
  step_id.length +
  trace_id.length +
  span_id.length +
  parent_span_id.length +
  (said === null ? 0 : JSON.stringify(said).length);
