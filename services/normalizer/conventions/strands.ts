import { type Json, jsonOf, unwrap } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, Convention, StepFacts } from '../step-facts.ts';
import { readMessages, toolContent } from './messages.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { asText, hasAttr, jsonAttr, keySet, namesOf, presentKeys, textAttr } from './values.ts';

/**
 * Strands Agents (TypeScript and Python). Follows OTel; differs in:
 *
 * | what | here |
 * |---|---|
 * | scope, gen_ai.system | the service's own name (TypeScript) or `strands-agents`: no provider, it is inferred |
 * | input_tokens | OpenAI: includes cache. Anthropic and Bedrock: leaves cached tokens out |
 * | figures | each under its old and its new name |
 * | invoke_agent, node, invoke_graph | repeat sums: wrappers |
 * | tool arguments, result | span events gen_ai.tool.message, gen_ai.choice |
 * | agent_loop.cycle_id | a turn of the loop, no operation name |
 */
export const strands: Convention = {
  name: 'strands',
  matches: (view) =>
    STRANDS_SCOPE.test(view.scope.name) || textAttr(view, SYSTEM) === 'strands-agents' || hasAttr(view, MARKER),
  read: (view) => readStrands(view),
};

const STRANDS_SCOPE = /^strands(?:[-_.]|$)/;
const MARKER = keySet('gen_ai.event.start_time', 'agent_loop.cycle_id', 'event_loop.cycle_id');
const SYSTEM = keySet('gen_ai.system', 'gen_ai.provider.name');
const CONTENT = namesOf('system_prompt', 'gen_ai.agent.input');

/** Converse of Bedrock and Anthropic's API report input without what came from the cache. */
const EXCLUSIVE_MODEL = /claude|^(?:[a-z]{2,6}\.)?(?:anthropic|amazon)\./i;

const readStrands = (view: SpanView): StepFacts => {
  const isCycle = view.attr('gen_ai.operation.name') === undefined && hasAttr(view, MARKER);
  const facts = readGenAi(view, {
    operation: isCycle ? 'execute_agent_loop_cycle' : undefined,
    call: exclusiveFor(view),
  });
  const isTool = facts.stepKind === 'tool' || facts.stepKind === 'delegation';
  const toolArguments = facts.toolArguments ?? (isTool ? eventJson(view, 'gen_ai.tool.message', 'content') : undefined);
  const toolResult = facts.toolResult ?? (isTool ? eventJson(view, 'gen_ai.choice', 'message') : undefined);
  return {
    ...facts,
    toolArguments,
    toolResult,
    content: [
      ...readMessages(jsonAttr(view, 'system_prompt'), 'input', 'system'),
      ...(isTool ? toolContent(toolArguments, toolResult) : (facts.content ?? [])),
    ],
    contentKeys: [...(facts.contentKeys ?? []), ...presentKeys(view, CONTENT)],
  };
};

const exclusiveFor = (view: SpanView) => {
  const model = asText(view.attr('gen_ai.request.model')) ?? '';
  return (call: CallFacts | undefined): CallFacts | undefined =>
    call !== undefined && EXCLUSIVE_MODEL.test(model)
      ? { ...call, semantics: { ...call.semantics, inputIncludesCache: false } }
      : call;
};

const eventJson = (view: SpanView, name: string, key: string): Json | undefined => {
  const value = view
    .events()
    .find((event) => event.name === name)
    ?.attributes.get(key);
  return value === undefined ? undefined : unwrap(jsonOf(value));
};
