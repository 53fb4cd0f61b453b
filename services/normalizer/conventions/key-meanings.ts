import type { StepKind } from '../../../schemas/step-kinds.ts';
import type { Usage } from '../step-facts.ts';
import { KIND_OF_OPERATION } from './operations.ts';

/** What keys are taken for by how they are built, for emitters nobody wrote a file for. */

/** A key whose value says what the span is: `openinference.span.kind`, `x.observation.type`, `run_type` … */
const KIND_KEY =
  /(?:^|[._:])(?:span[._]?(?:kind|type)|observation[._]type|(?:run|step|node|event|action)[._](?:kind|type)|ai[._]kind|subtype|operation[._](?:name|id)|operationId)$/i;

/** The words that stand there. */
const KIND_OF_WORD: ReadonlyMap<string, StepKind> = new Map([
  ...KIND_OF_OPERATION,
  ['llm', 'llm'],
  ['llm_request', 'llm'],
  ['llm_call', 'llm'],
  ['generation', 'llm'],
  ['model', 'llm'],
  ['chat_model', 'llm'],
  ['model_inference', 'llm'],
  ['embedder', 'embedding'],
  ['agent', 'agent'],
  ['agent_run', 'agent'],
  ['interaction', 'agent'],
  ['workflow', 'workflow'],
  ['workflow_run', 'workflow'],
  ['chain', 'workflow'],
  ['chat_client', 'workflow'],
  ['advisor', 'workflow'],
  ['task', 'workflow'],
  ['flow', 'workflow'],
  ['graph', 'workflow'],
  ['tool', 'tool'],
  ['tool_call', 'tool'],
  ['mcp_tool_call', 'tool'],
  ['function', 'tool'],
  ['retriever', 'retrieval'],
  ['reranker', 'retrieval'],
  ['vector_store', 'retrieval'],
  ['handoff', 'delegation'],
  ['evaluator', 'eval'],
  ['evaluation', 'eval'],
]);

const REQUEST_MODEL = /(?:^|[._:])(?:model|model[._]?(?:name|id)|request[._]?model(?:[._]name)?)$/i;
const RESPONSE_MODEL = /(?:^|[._:])(?:response|returned)[._]?model(?:[._](?:name|id))?$/i;
const RESPONSE_ID = /(?:^|[._:])response[._]?id$/i;
const TOOL_NAME = /(?:^|[._:])(?:tool[._]?(?:call[._]?)?name|function[._]?name|toolcall\.name)$/i;
const TOOL_CALL_ID = /(?:^|[._:])(?:tool[._]?(?:call|use)[._]?id|tool_call\.id|toolcall\.id)$/i;
const AGENT_NAME = /(?:^|[._:])agent[._]?name$/i;

/** First match wins, so details stand before the figures that contain them. */
const TOKEN_RULES: readonly (readonly [pattern: RegExp, bucket: keyof Usage | undefined])[] = [
  [/max|limit|budget|per_|avg|average|total|chars|character|price|cost|nocache|no_cache|text/, undefined],
  [/cach.*(?:write|creation)|(?:write|creation).*cach/, 'cacheWrite'],
  [/cach/, 'cacheRead'],
  [/reasoning|thought/, 'reasoning'],
  [/audio.*(?:output|completion)|(?:output|completion).*audio/, 'audioOutput'],
  [/audio/, 'audioInput'],
  [/input|prompt|tokens?[._]?in$/, 'input'],
  [/output|completion|candidates|tokens?[._]?out$/, 'output'],
];

/** The figure a key is taken for; undefined for one that is none, or another's (limits, totals, prices). */
export const bucketOfKey = (key: string): keyof Usage | undefined => {
  if (!/token/i.test(key)) return undefined;
  const plain = key.toLowerCase();
  return TOKEN_RULES.find(([pattern]) => pattern.test(plain))?.[1];
};

const TEXT_RULES: readonly (readonly [
  pattern: RegExp,
  name: 'requestModel' | 'responseModel' | 'responseId' | 'toolName' | 'toolCallId' | 'agentName',
])[] = [
  [RESPONSE_MODEL, 'responseModel'],
  [REQUEST_MODEL, 'requestModel'],
  [RESPONSE_ID, 'responseId'],
  [TOOL_CALL_ID, 'toolCallId'],
  [TOOL_NAME, 'toolName'],
  [AGENT_NAME, 'agentName'],
];

/** A word such as `LLM`, `ai.generateText.doGenerate` or `MODEL_INFERENCE` → a kind. */
export const kindOfWord = (value: unknown): StepKind | undefined =>
  typeof value === 'string' && value.length <= 64 ? KIND_OF_WORD.get(value.toLowerCase()) : undefined;

/** Words for requests that only count tokens: their figures are nobody's consumption. */
const TOKEN_COUNTERS: ReadonlySet<string> = new Set([
  'token_counter',
  'count_tokens',
  'counttokens',
  'token_count',
  'tokenize',
]);

/** Whether a word for what the span is says that it only counted tokens. */
export const isTokenCounter = (value: unknown): boolean =>
  typeof value === 'string' && value.length <= 64 && TOKEN_COUNTERS.has(value.toLowerCase());

/** Whether the value under a key says what the span is. One expression: ask once a shape of keys. */
export const isKindKey = (key: string): boolean => KIND_KEY.test(key);

/** What a key is taken for, by how it is built. */
export interface KeyMeaning {
  readonly bucket: keyof Usage | undefined;
  readonly isKind: boolean;
  readonly text: (typeof TEXT_RULES)[number][1] | undefined;
  readonly isUsage: boolean;
}

/** Expressions over one key: ask once a shape of keys. */
export const meaningOf = (key: string): KeyMeaning => ({
  bucket: bucketOfKey(key),
  isKind: KIND_KEY.test(key),
  text: TEXT_RULES.find(([pattern]) => pattern.test(key))?.[1],
  isUsage: USAGE_KEY.test(key),
});

/** Usage as a JSON map in one attribute: `…usage_details`, `…usage`, `…metrics`, `llm.token.counts` (Langtrace). */
export const USAGE_KEY =
  /(?:^|[._:])(?:token[._]counts|(?:token_?)?usage(?:[._]?(?:details|metadata))?|metrics)(?:_json)?$/i;
