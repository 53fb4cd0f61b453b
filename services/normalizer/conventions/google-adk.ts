import { field, isObject, type Json, textOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { CallFacts, Convention, StepFacts, Usage } from '../step-facts.ts';
import { readMessages, toolContent } from './messages.ts';
import { kindOfTool } from './operations.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { providerOfModel } from './provider.ts';
import { mergeUsage, readUsage } from './usage.ts';
import { asCount, jsonAttr, keySet, namesOf, presentKeys, textAttr } from './values.ts';

/**
 * Google Agent Development Kit (scope `gcp.vertex.agent`). Differs from OTel in:
 *
 * | what | here |
 * |---|---|
 * | model call | span `call_llm`, no operation name |
 * | provider | `gen_ai.system` is always `gcp.vertex.agent`: inferred from the model |
 * | input_tokens | includes cache; the cached part only in the JSON `gcp.vertex.agent.llm_response` |
 * | output_tokens | leaves thoughts out; they are in the same JSON |
 * | tools | `gcp.vertex.agent.tool_call_args`, `.tool_response`; a failed tool answers `{"error": …}` with status unset |
 * | `execute_tool (merged)` | made up for parallel calls: no step of work |
 * | failed model call, failed tool | a `call_llm`, an `execute_tool <name>` without any attribute: they are set from the answer |
 * | root `invocation` | no attributes |
 */
export const googleAdk: Convention = {
  name: 'google-adk',
  matches: (view) => view.scope.name === 'gcp.vertex.agent' || view.attr('gen_ai.system') === 'gcp.vertex.agent',
  read: (view) => {
    if (view.name === 'call_llm') return readModelCall(view);
    const facts = view.attrs().size === 0 ? readBare(view) : readGenAi(view);
    if (facts.stepKind === 'tool' || facts.stepKind === 'delegation') return readTool(view, facts);
    return {
      ...facts,
      stepKind: view.name === 'invocation' ? 'workflow' : facts.stepKind,
      contentKeys: contentKeys(view, facts),
    };
  },
};

const KEY = {
  request: 'gcp.vertex.agent.llm_request',
  response: 'gcp.vertex.agent.llm_response',
  args: 'gcp.vertex.agent.tool_call_args',
  result: 'gcp.vertex.agent.tool_response',
  data: 'gcp.vertex.agent.data',
} as const;

const OWN = namesOf(...Object.values(KEY));
const TOOL_NAME = keySet('gen_ai.tool.name');

const contentKeys = (view: SpanView, facts: StepFacts): readonly string[] => [
  ...(facts.contentKeys ?? []),
  ...presentKeys(view, OWN),
];

/** Gemini's own usage, in JSON's camel case (JavaScript) or snake case (Python). */
const usageOfResponse = (response: Json | undefined): Usage => {
  const usage = field(response, 'usageMetadata') ?? field(response, 'usage_metadata');
  const count = (camel: string, snake: string) => asCount(field(usage, camel) ?? field(usage, snake) ?? null);
  return {
    input: count('promptTokenCount', 'prompt_token_count'),
    output: count('candidatesTokenCount', 'candidates_token_count'),
    cacheRead: count('cachedContentTokenCount', 'cached_content_token_count') ?? (isObject(usage) ? 0 : undefined),
    reasoning: count('thoughtsTokenCount', 'thoughts_token_count') ?? (isObject(usage) ? 0 : undefined),
  };
};

/** A span without attributes has only its name: `execute_tool <name>` that threw, `invoke_agent <name>`. */
const readBare = (view: SpanView): StepFacts => {
  const [operation = '', subject = ''] = view.name.split(' ', 2);
  const facts = readGenAi(view, { operation });
  if (operation === 'execute_tool') {
    return { ...facts, toolName: subject, isFailed: true, flags: ['failure_inferred'] };
  }
  return operation === 'invoke_agent' ? { ...facts, agentName: subject } : facts;
};

const readModelCall = (view: SpanView): StepFacts => {
  const facts = readGenAi(view, { operation: 'generate_content' });
  const request = jsonAttr(view, KEY.request);
  const response = jsonAttr(view, KEY.response);
  const model = facts.requestModel ?? textOf(field(request, 'model'));
  const hasNothing = view.attrs().size === 0;
  const call: CallFacts = {
    role: 'leaf',
    operation: 'generate_content',
    // The JSON is Gemini's own words; where only the attributes are there, thoughts may or may not be in them.
    usage: mergeUsage(usageOfResponse(response), readUsage(view)),
    semantics: { inputIncludesCache: true, outputIncludesReasoning: false },
  };
  return {
    ...facts,
    stepKind: 'llm',
    call,
    requestModel: model,
    responseModel: facts.responseModel ?? textOf(field(response, 'modelVersion') ?? field(response, 'model_version')),
    provider: facts.provider ?? providerOfModel(model),
    isFailed: facts.isFailed === true || hasNothing,
    flags: hasNothing ? ['failure_inferred'] : (facts.flags ?? []),
    content: [
      ...readMessages(field(field(request, 'config'), 'systemInstruction'), 'input', 'system'),
      ...readMessages(field(request, 'contents'), 'input', 'user'),
      ...readMessages(field(response, 'content'), 'output', 'assistant'),
    ],
    contentKeys: contentKeys(view, facts),
  };
};

const readTool = (view: SpanView, facts: StepFacts): StepFacts => {
  const isMadeUp = view.name.endsWith('(merged)') || facts.toolName === '(merged tools)';
  const toolArguments = jsonAttr(view, KEY.args) ?? facts.toolArguments;
  const toolResult = jsonAttr(view, KEY.result) ?? facts.toolResult;
  const error = field(toolResult, 'error');
  const failed = facts.isFailed === true || (error !== undefined && error !== null && !isMadeUp);
  return {
    ...facts,
    stepKind: isMadeUp ? 'other' : kindOfTool(facts.toolName ?? textAttr(view, TOOL_NAME)),
    toolArguments: isMadeUp ? undefined : toolArguments,
    toolResult: isMadeUp ? undefined : toolResult,
    isFailed: failed,
    errorMessage: facts.errorMessage ?? textOf(error),
    flags: [...(facts.flags ?? []), ...(isMadeUp ? ['synthetic'] : [])],
    // What a made-up span holds stands on the real ones beside it.
    content: isMadeUp ? [] : toolContent(toolArguments, toolResult),
    contentKeys: contentKeys(view, facts),
  };
};
