import type { StepKind } from '../../../schemas/step-kinds.ts';
import type { SpanView } from '../span-view.ts';
import type { Convention, StepFacts } from '../step-facts.ts';
import { familyKeys, readByKeys } from './family.ts';
import { readUsage } from './usage.ts';
import { hasAttr, jsonAttr, keySet, textAttr } from './values.ts';

/**
 * Laminar's own spans (lmnr-ai/lmnr-ts, lmnr-python): functions an application observes. Calls to models come from
 * OpenLLMetry's instrumentations or the AI SDK and carry `lmnr.*` beside their own keys.
 *
 * | what | here |
 * |---|---|
 * | kind | `lmnr.span.type`: LLM, TOOL, EVALUATOR, EXECUTOR, EVALUATION, DEFAULT |
 * | LLM spans by hand | `gen_ai.usage.*`, `gen_ai.request.model`, `gen_ai.response.model` (Laminar's attributes for them) |
 * | input, output | `lmnr.span.input`, `lmnr.span.output` |
 * | workflow | the outermost name of `lmnr.span.path` |
 * | session, user | `lmnr.association.properties.session_id`, `.user_id` |
 */
export const lmnr: Convention = {
  name: 'lmnr',
  matches: (view) => hasAttr(view, SAID.own),
  read: (view) => readLaminar(view),
};

const SAID = {
  own: keySet('lmnr.span.type', 'lmnr.span.input', 'lmnr.span.output', 'lmnr.span.path'),
  type: keySet('lmnr.span.type'),
};

const KEYS = familyKeys({
  requestModel: ['gen_ai.request.model'],
  responseModel: ['gen_ai.response.model'],
  responseId: ['gen_ai.response.id'],
  toolCallId: ['gen_ai.tool.call.id'],
  toolArguments: ['lmnr.span.input'],
  toolResult: ['lmnr.span.output'],
  input: ['lmnr.span.input', 'gen_ai.input.messages'],
  output: ['lmnr.span.output', 'gen_ai.output.messages'],
});

/** `lmnr.span.type`; a DEFAULT span is a function, nothing by itself. */
const KIND_OF_TYPE: ReadonlyMap<string, StepKind> = new Map([
  ['LLM', 'llm'],
  ['CACHED', 'other'],
  ['TOOL', 'tool'],
  ['EVALUATOR', 'eval'],
  ['HUMAN_EVALUATOR', 'eval'],
  ['EVALUATION', 'workflow'],
  ['EXECUTOR', 'workflow'],
  ['PIPELINE', 'workflow'],
]);

const readLaminar = (view: SpanView): StepFacts => {
  const kind = KIND_OF_TYPE.get(textAttr(view, SAID.type) ?? '') ?? 'other';
  const facts = readByKeys(view, KEYS, { kind, usage: readUsage(view) });
  return { ...facts, workflow: facts.workflow ?? outermost(view) };
};

/** `["support-case","triage","check"]` → `support-case`; before 0.6 the path was one text with dots. */
const outermost = (view: SpanView): string | undefined => {
  const path = jsonAttr(view, 'lmnr.span.path');
  const first = Array.isArray(path) ? path[0] : typeof path === 'string' ? path.split('.', 1)[0] : undefined;
  return typeof first === 'string' && first !== '' && first !== view.name ? first : undefined;
};
