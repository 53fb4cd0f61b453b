import {
  OPENAI_AGENTS_PREFIX,
  OPENAI_AGENTS_SCOPE,
  OPENAI_AGENTS_TRACE_EVENT,
} from '../../../schemas/openai-agents-ingest.ts';
import type { StepKind } from '../../../schemas/step-kinds.ts';
import { at, field, isObject, type Json, textOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts, Usage } from '../step-facts.ts';
import { readMessages, toolContent } from './messages.ts';
import { kindOfTool } from './operations.ts';
import { readOutcome } from './outcome.ts';
import { providerOfModel } from './provider.ts';
import { hasUsage, INCLUSIVE, leafCall, wrapperCall } from './usage.ts';
import { asCount, asText, jsonAttr, namesOf, presentKeys } from './values.ts';

/**
 * The OpenAI Agents SDK's own tracing export, as `openai-agents-ingest.ts` writes it down (openai-agents-python
 * `tracing/span_data.py`, openai-agents-js `tracing/spans.ts`). Attributes are the members of `span_data`.
 *
 * | type | step | model call |
 * |---|---|---|
 * | agent, handoff, guardrail, function | agent, delegation, guardrail, tool | |
 * | generation | llm | itself: model, usage and messages |
 * | response | llm | itself; the response id, and usage only where a later SDK tells it |
 * | custom with `sdk_span_type` `turn` | workflow | the one call of the turn: for `response` the only place of its usage |
 * | custom with `sdk_span_type` `task` | workflow | wrapper: sums its turns |
 * | transcription, speech | llm | itself, no usage |
 * | any other | other | |
 *
 * A turn whose tool ran another agent tells that agent's usage as well: the ledger takes it out again (`SUMS_INNER` in
 * `schemas/family-accounts.ts`). Input includes cached tokens, output includes reasoning. No model is named for
 * `response`. Session, user and workflow stand on the record of the trace alone.
 */
export const openaiAgents: Convention = {
  name: 'openai-agents',
  matches: (view) => view.scope.name === OPENAI_AGENTS_SCOPE && member(view, 'trace_id') !== undefined,
  read: (view) => (view.eventName === OPENAI_AGENTS_TRACE_EVENT ? readTrace(view) : readSpan(view)),
};

const member = (view: SpanView, name: string): Json | undefined => jsonAttr(view, `${OPENAI_AGENTS_PREFIX}${name}`);
const textMember = (view: SpanView, name: string): string | undefined => textOf(member(view, name));

const CONTENT = namesOf(`${OPENAI_AGENTS_PREFIX}input`, `${OPENAI_AGENTS_PREFIX}output`);

const KIND_OF_TYPE: ReadonlyMap<string, StepKind> = new Map([
  ['agent', 'agent'],
  ['handoff', 'delegation'],
  ['guardrail', 'guardrail'],
  ['generation', 'llm'],
  ['response', 'llm'],
  ['transcription', 'llm'],
  ['speech', 'llm'],
]);

/** Where the figures stand, the first told counts. JavaScript puts what is not input or output under `details`. */
const USAGE_PATHS: Readonly<
  Record<'input' | 'output' | 'cacheRead' | 'cacheWrite' | 'reasoning', readonly string[][]>
> = {
  input: [['input_tokens'], ['prompt_tokens']],
  output: [['output_tokens'], ['completion_tokens']],
  cacheRead: [
    ['cached_input_tokens'],
    ['input_tokens_details', 'cached_tokens'],
    ['prompt_tokens_details', 'cached_tokens'],
    ['details', 'cached_input_tokens'],
    ['details', 'input_tokens_details', 'cached_tokens'],
    ['details', 'prompt_tokens_details', 'cached_tokens'],
  ],
  cacheWrite: [
    ['cache_write_input_tokens'],
    ['input_tokens_details', 'cache_write_tokens'],
    ['details', 'cache_write_input_tokens'],
    ['details', 'input_tokens_details', 'cache_write_tokens'],
  ],
  reasoning: [
    ['output_tokens_details', 'reasoning_tokens'],
    ['completion_tokens_details', 'reasoning_tokens'],
    ['details', 'output_tokens_details', 'reasoning_tokens'],
    ['details', 'completion_tokens_details', 'reasoning_tokens'],
  ],
};

const countAt = (usage: Json | undefined, paths: readonly string[][]): number | undefined => {
  for (const path of paths) {
    const count = asCount(at(usage, ...path) ?? null);
    if (count !== undefined) return count;
  }
  return undefined;
};

const readUsage = (usage: Json | undefined): Usage => ({
  input: countAt(usage, USAGE_PATHS.input),
  output: countAt(usage, USAGE_PATHS.output),
  cacheRead: countAt(usage, USAGE_PATHS.cacheRead),
  cacheWrite: countAt(usage, USAGE_PATHS.cacheWrite),
  reasoning: countAt(usage, USAGE_PATHS.reasoning),
});

const readSpan = (view: SpanView): StepFacts => {
  const type = textMember(view, 'type') ?? '';
  const shared = { ...failure(view), contentKeys: presentKeys(view, CONTENT) };
  if (type === 'function') return { ...shared, ...readTool(view) };
  if (type === 'custom') return { ...shared, ...readCustom(view) };
  const stepKind = KIND_OF_TYPE.get(type) ?? 'other';
  if (stepKind === 'llm') return { ...shared, ...readCall(view, type) };
  if (stepKind === 'agent') return { ...shared, stepKind, agentName: textMember(view, 'name') };
  if (stepKind === 'delegation') return { ...shared, ...readHandOff(view) };
  const triggered = member(view, 'triggered');
  return {
    ...shared,
    stepKind,
    ...(typeof triggered === 'boolean' ? { facts: { 'guardrail.triggered': String(triggered) } } : {}),
  };
};

/** `error` is `{message, data}`; the cause stands in `data.error`. */
const failure = (view: SpanView): Pick<StepFacts, 'isFailed' | 'errorMessage'> => {
  const outcome = readOutcome(view);
  const cause = textOf(at(member(view, 'error'), 'data', 'error'));
  const said = [outcome.errorMessage, cause].filter((text) => text !== undefined);
  return { isFailed: outcome.isFailed, errorMessage: said.length === 0 ? undefined : said.join(': ') };
};

const readCall = (view: SpanView, type: string): StepFacts => {
  const model = textMember(view, 'model');
  const isSpoken = type === 'transcription' || type === 'speech';
  return {
    stepKind: 'llm',
    requestModel: model,
    provider: providerOfModel(model),
    responseId: textMember(view, 'response_id'),
    call: leafCall(isSpoken ? type : 'chat', readUsage(member(view, 'usage')), INCLUSIVE),
    flags: model !== undefined && providerOfModel(model) !== undefined ? ['provider_inferred'] : [],
    content: [
      ...readMessages(member(view, 'input'), 'input', 'user'),
      ...readMessages(member(view, 'output'), 'output', 'assistant'),
    ],
  };
};

const readTool = (view: SpanView): StepFacts => {
  const toolName = textMember(view, 'name');
  const toolArguments = member(view, 'input');
  const toolResult = member(view, 'output');
  const server = textOf(field(unwrap(member(view, 'mcp_data') ?? null), 'server'));
  return {
    stepKind: kindOfTool(toolName),
    toolName,
    toolArguments,
    toolResult,
    content: toolContent(toolArguments, toolResult),
    ...(server === undefined ? {} : { facts: { 'mcp.server': server } }),
  };
};

/** The names stand as arguments do: that is where a hand-off's ends are looked for. */
const readHandOff = (view: SpanView): StepFacts => {
  const from = textMember(view, 'from_agent');
  const to = textMember(view, 'to_agent');
  return {
    stepKind: 'delegation',
    agentName: from,
    toolArguments: {
      ...(from === undefined ? {} : { from_agent: from }),
      ...(to === undefined ? {} : { to_agent: to }),
    },
  };
};

const readCustom = (view: SpanView): StepFacts => {
  const data = member(view, 'data');
  const type = field(data, 'sdk_span_type');
  const usage = readUsage(field(data, 'usage'));
  // Turns and tasks fail with whatever happens in them: what failed, and the agent it failed, say so themselves.
  const isFailed = false;
  if (type === 'task') return { stepKind: 'workflow', isFailed, call: wrapperCall('task', usage, INCLUSIVE) };
  if (type !== 'turn') return { stepKind: 'other' };
  const call = hasUsage(usage) ? leafCall('turn', usage, INCLUSIVE) : undefined;
  return { stepKind: 'workflow', isFailed, agentName: textOf(field(data, 'agent_name')), call };
};

const SESSION_NAMES = ['session_id', 'sessionId', 'thread_id', 'threadId', 'conversation_id', 'conversationId'];
const USER_NAMES = ['user_id', 'userId', 'user'];
const LABELS_MAX = 32;
const LABEL_CHARS_MAX = 128;

/** The record of the trace: what is true of all its spans. The group is the conversation the trace belongs to. */
const readTrace = (view: SpanView): StepFacts => {
  const metadata = member(view, 'metadata');
  const named = (names: readonly string[]) => names.map((name) => asText(field(metadata, name) ?? null)).find(Boolean);
  return {
    stepKind: 'other',
    workflow: textMember(view, 'workflow_name'),
    sessionId: textMember(view, 'group_id') ?? named(SESSION_NAMES),
    userId: named(USER_NAMES),
    labels: labelsOf(metadata),
  };
};

const labelsOf = (metadata: Json | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (isObject(metadata) ? Object.entries(metadata) : [])
      .filter(([name]) => !SESSION_NAMES.includes(name) && !USER_NAMES.includes(name) && name.length <= LABEL_CHARS_MAX)
      .flatMap(([name, value]) => {
        const text = typeof value === 'boolean' ? String(value) : asText(value);
        return text === undefined || text.length > LABEL_CHARS_MAX ? [] : [[name, text] as const];
      })
      .slice(0, LABELS_MAX),
  );
