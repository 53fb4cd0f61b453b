import type { AgentStep } from '../../schemas/agent-step.ts';

/** What stands at the end of an edge is a name; longer texts are cut, as the normalizer does. */
const NAME_CHARS_MAX = 512;
/** Agents with one and the same normalised name: with more than one, a hand-off's target stays as it was written. */
const UNIQUE = 1;

/** A name as it may stand in a row; null when nothing was said. */
export const cleanName = (text: string | null | undefined): string | null => {
  if (text === null || text === undefined) return null;
  const name = text.trim().slice(0, NAME_CHARS_MAX).toWellFormed();
  return name === '' ? null : name;
};

export interface NamedNode {
  readonly name: string;
  /** The name is that of the span: the emitter filled in no attribute for it. */
  readonly isFromSpan: boolean;
}

/** Operations that stand before the subject in a span's name (semconv, GenAI spans): `invoke_agent triage`. */
const AGENT_OPERATION =
  /^(?:invoke_agent|create_agent|agent|agent_run|plan|run_agent|interaction|span|chain)(?:\s+|$)/i;
const TOOL_OPERATION = /^(?:execute_tool|tool|tool_call|mcp_tool_call|tools\/call|function)(?:\s+|$)/i;

/**
 * Who an agent step is: the agent's name as told, else the subject in the span's name. null where neither says: an
 * agent nobody names is no node. `invoke_agent gpt-5` names the model, not the agent.
 */
export const agentOf = (step: AgentStep): NamedNode | null => {
  const told = cleanName(step.agent_name);
  if (told !== null) return { name: told, isFromSpan: false };
  if (step.step_kind !== 'agent') return null;
  const subject = cleanName(step.name.replace(AGENT_OPERATION, ''));
  const isModel = subject === step.request_model || subject === step.response_model;
  return subject === null || isModel ? null : { name: subject, isFromSpan: true };
};

/** Kinds of steps that name the tool they come from. Others name a tool without calling it: an approval, a guardrail. */
const CALLS_A_TOOL: ReadonlySet<string> = new Set([
  'tool',
  'delegation',
  'retrieval',
  'egress',
  'data_access',
  'secret_use',
]);

/** The tool a step calls: its name as told, else, for a tool step, the subject in the span's name. */
export const toolOf = (step: AgentStep): NamedNode | null => {
  if (!CALLS_A_TOOL.has(step.step_kind)) return null;
  const told = cleanName(step.tool_name);
  if (told !== null) return { name: told, isFromSpan: false };
  const subject = step.step_kind === 'tool' ? cleanName(step.name.replace(TOOL_OPERATION, '')) : null;
  return subject === null ? null : { name: subject, isFromSpan: true };
};

/** What a hand-off step says. `to` as it stands in the arguments or in a name; null: it does not say. */
export interface HandOff {
  readonly from: string | null;
  readonly to: string | null;
}

const TARGET_ARGUMENTS = ['agent_name', 'agentName', 'agent', 'target_agent', 'to_agent', 'target', 'to', 'assistant'];
const SOURCE_ARGUMENTS = ['from_agent', 'fromAgent', 'source_agent'];
const HANDS_TO = /^(?:execute_tool\s+)?(?:transfer|hand[-_ ]?off|delegate)[-_ ]to[-_ ](.+)$/i;
/** `transfer_to_agent`: the tool is generic, its target stands in the arguments. */
const GENERIC_TARGET = /^(?:an?[-_ ])?(?:agent|assistant)$/i;

/** Reads a step of kind `delegation`; null for any other. */
export const handOffOf = (step: AgentStep): HandOff | null => {
  if (step.step_kind !== 'delegation') return null;
  const args = argumentsOf(step);
  return {
    from: textOf(args, SOURCE_ARGUMENTS),
    to: textOf(args, TARGET_ARGUMENTS) ?? targetIn(step.name) ?? targetIn(step.tool_name),
  };
};

const argumentsOf = (step: AgentStep): Readonly<Record<string, unknown>> => {
  try {
    const parsed: unknown = JSON.parse(step.tool_arguments ?? '');
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  } catch {
    // Cut, redacted or no JSON at all: the names remain.
    return {};
  }
};

const textOf = (args: Readonly<Record<string, unknown>>, keys: readonly string[]): string | null => {
  for (const key of keys) {
    const value = args[key];
    const name = typeof value === 'string' ? cleanName(value) : null;
    if (name !== null) return name;
  }
  return null;
};

const targetIn = (name: string | null): string | null => {
  const target = cleanName(HANDS_TO.exec(name ?? '')?.[1]);
  return target === null || GENERIC_TARGET.test(target) ? null : target;
};

/** SDKs make tool names of agent names: `Refund Desk` becomes `transfer_to_refund_desk`. */
const normalised = (name: string): string => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '_');

/** Finds the agents of a run by a hand-off's target: as written, else the only one of the same normalised name. */
export const createAgentFinder = (agents: ReadonlySet<string>): ((target: string) => string) => {
  const byForm = Map.groupBy(agents, normalised);
  return (target) => {
    if (agents.has(target)) return target;
    const alike = byForm.get(normalised(target)) ?? [];
    return alike.length === UNIQUE ? (alike[0] ?? target) : target;
  };
};
