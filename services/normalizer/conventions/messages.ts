import { canonicalJson, displayText, field, isObject, type Json, textOf, unwrap } from '../json.ts';
import type { ContentPart } from '../step-facts.ts';
import { fingerprint, utf8Bytes } from '../text.ts';

type Direction = ContentPart['direction'];
type PartKind = ContentPart['partKind'];

/** Parts kept of one step. A context window of a million tokens holds fewer messages than this. */
export const CONTENT_PARTS_MAX = 2_000;
/** Inside images, audio and files a longer text is data, not language: its length and hash are kept. */
const BLOB_TEXT_CHARS_MAX = 1_024;

/** The word after `type` in the messages of OTel, OpenAI, Anthropic and Bedrock → what the part is. */
const KIND_OF_TYPE: ReadonlyMap<string, PartKind> = new Map([
  ['text', 'text'],
  ['input_text', 'text'],
  ['output_text', 'text'],
  ['refusal', 'text'],
  ['tool_call', 'tool_call'],
  ['tool-call', 'tool_call'],
  ['tool_use', 'tool_call'],
  ['toolUse', 'tool_call'],
  ['toolUseBlock', 'tool_call'],
  ['server_tool_use', 'tool_call'],
  ['function_call', 'tool_call'],
  ['function', 'tool_call'],
  ['tool_call_response', 'tool_result'],
  ['tool_result', 'tool_result'],
  ['tool-result', 'tool_result'],
  ['toolResult', 'tool_result'],
  ['function_call_output', 'tool_result'],
  ['reasoning', 'reasoning'],
  ['thinking', 'reasoning'],
  ['redacted_thinking', 'reasoning'],
  ['image', 'blob'],
  ['image_url', 'blob'],
  ['input_image', 'blob'],
  ['audio', 'blob'],
  ['input_audio', 'blob'],
  ['file', 'blob'],
  ['input_file', 'blob'],
  ['document', 'blob'],
  ['blob', 'blob'],
  ['uri', 'blob'],
  ['media', 'blob'],
]);

/** Parts without `type` (Gemini, Genkit, Bedrock) carry one key that says what they are. */
const KIND_OF_KEY: readonly (readonly [key: string, kind: PartKind])[] = [
  ['functionCall', 'tool_call'],
  ['function_call', 'tool_call'],
  ['toolRequest', 'tool_call'],
  ['toolUse', 'tool_call'],
  ['functionResponse', 'tool_result'],
  ['function_response', 'tool_result'],
  ['toolResponse', 'tool_result'],
  ['toolResult', 'tool_result'],
  ['reasoning', 'reasoning'],
  ['reasoningContent', 'reasoning'],
  ['inlineData', 'blob'],
  ['inline_data', 'blob'],
  ['fileData', 'blob'],
  ['media', 'blob'],
  ['image', 'blob'],
  ['document', 'blob'],
  ['text', 'text'],
];

const ROLE_ALIASES: ReadonlyMap<string, string> = new Map([
  ['model', 'assistant'],
  ['ai', 'assistant'],
  ['AIMessage', 'assistant'],
  ['human', 'user'],
  ['HumanMessage', 'user'],
  ['developer', 'system'],
  ['SystemMessage', 'system'],
  ['function', 'tool'],
  ['ToolMessage', 'tool'],
]);

const roleOf = (said: string | undefined, fallback: string): string => {
  if (said === undefined) return fallback;
  return ROLE_ALIASES.get(said) ?? said.slice(0, 64);
};

/** Long data inside a blob replaced by its length and hash. */
const withoutData = (value: Json, depth = 0): Json => {
  if (typeof value === 'string' && value.length > BLOB_TEXT_CHARS_MAX) {
    return `[data len=${utf8Bytes(value)},hash=${fingerprint(value)}]`;
  }
  if (depth > 8 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((entry: Json) => withoutData(entry, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withoutData(entry, depth + 1)]));
};

/** Arguments as data, whether sent as an object or as JSON in a text. */
const opened = (value: Json | undefined): Json => (value === undefined ? null : unwrap(value));

const toolCallText = (part: Json): string => {
  const inner =
    ['functionCall', 'function_call', 'toolRequest', 'toolUse', 'tool_call']
      .map((key) => field(part, key))
      .find(isObject) ?? part;
  const called = isObject(field(inner, 'function')) ? field(inner, 'function') : inner;
  const id = [
    ...['id', 'toolUseId', 'toolCallId', 'call_id', 'ref'].map((key) => field(inner, key)),
    field(part, 'id'),
  ].find((value) => value !== undefined && value !== null);
  const args = ['arguments', 'args', 'input', 'parameters']
    .map((key) => field(called, key))
    .find((value) => value !== undefined);
  const name = field(called, 'name') ?? field(called, 'toolName') ?? null;
  return canonicalJson({ id: id ?? null, name, arguments: opened(args) });
};

const toolResultText = (part: Json): string => {
  const inner =
    field(part, 'functionResponse') ??
    field(part, 'function_response') ??
    field(part, 'toolResponse') ??
    field(part, 'toolResult') ??
    part;
  const result = ['response', 'result', 'output', 'content']
    .map((key) => field(inner, key))
    .find((value) => value !== undefined);
  return displayText(unwrap(result ?? inner));
};

const plainText = (part: Json): string => {
  const text = ['text', 'content', 'thinking', 'reasoning', 'refusal', 'summary', 'value']
    .map((key) => field(part, key))
    .find((value) => value !== undefined && value !== null);
  return text === undefined ? canonicalJson(part) : displayText(text);
};

const kindOf = (part: Json): PartKind => {
  const type = textOf(field(part, 'type'));
  const byType = type === undefined ? undefined : KIND_OF_TYPE.get(type);
  if (byType !== undefined) return byType;
  if (field(part, 'thought') === true) return 'reasoning';
  const byKey = KIND_OF_KEY.find(([key]) => field(part, key) !== undefined)?.[1];
  return byKey ?? 'other';
};

const partText = (part: Json, kind: PartKind): string => {
  switch (kind) {
    case 'tool_call':
      return toolCallText(part);
    case 'tool_result':
      return toolResultText(part);
    case 'text':
    case 'reasoning':
      return plainText(part);
    case 'blob':
      return canonicalJson(withoutData(part));
    case 'other':
      return displayText(part);
  }
};

const readPart = (part: Json, direction: Direction, role: string): ContentPart => {
  if (!isObject(part)) return { direction, role, partKind: 'text', content: displayText(part) };
  const partKind = kindOf(part);
  const said = partKind === 'tool_result' ? 'tool' : role;
  return { direction, role: said, partKind, content: partText(part, partKind) };
};

/** True for a part standing where a message was expected: it has a type of its own and no role. */
const isLonePart = (message: Json): boolean =>
  field(message, 'role') === undefined &&
  (field(message, 'type') !== undefined ||
    (field(message, 'parts') === undefined && field(message, 'content') === undefined));

/** A message's `parts` or `content`, and the tool calls OpenAI puts beside it. */
const readMessage = (message: Json, direction: Direction, fallbackRole: string): readonly ContentPart[] => {
  const calls = field(message, 'tool_calls');
  const wrapped = field(message, 'role') === undefined ? field(message, 'message') : undefined;
  if (wrapped !== undefined) return readMessage(unwrap(wrapped), direction, fallbackRole);
  if (!isObject(message) || (calls === undefined && isLonePart(message)))
    return [readPart(message, direction, fallbackRole)];
  const role = roleOf(textOf(field(message, 'role')), fallbackRole);
  return [
    ...bodyParts(field(message, 'parts') ?? field(message, 'content')).map((part) =>
      readRolePart(part, direction, role),
    ),
    ...(Array.isArray(calls) ? (calls as readonly Json[]).map((call) => toolCall(call, direction, role)) : []),
  ];
};

/**
 * The parts of a message's body. A text stays as it was written, even when it is JSON (a tool's answer, a user's
 * data), unless it is a list of parts that was encoded on the way.
 */
const bodyParts = (body: Json | undefined): readonly Json[] => {
  if (body === undefined || body === null || body === '') return [];
  const opened = unwrap(body);
  const list = Array.isArray(opened) ? (opened as readonly Json[]) : null;
  if (typeof body !== 'string') return list ?? [opened];
  if (list?.some((part) => isObject(part) && kindOf(part) !== 'other') === true) return list;
  return [typeof opened === 'string' ? opened : body];
};

/** What a tool said is its result, whatever form it has. */
const readRolePart = (part: Json, direction: Direction, role: string): ContentPart =>
  role === 'tool' && (!isObject(part) || kindOf(part) === 'other')
    ? { direction, role, partKind: 'tool_result', content: displayText(part) }
    : readPart(part, direction, role);

const toolCall = (call: Json, direction: Direction, role: string): ContentPart => ({
  direction,
  role,
  partKind: 'tool_call',
  content: toolCallText(call),
});

/**
 * Messages in any of the dialects of OTel, OpenAI, Anthropic, Gemini, Bedrock and Genkit → parts, in order. A text
 * that is no JSON is one text part. Never throws; what it does not know becomes `other`, as canonical JSON.
 */
export const readMessages = (
  value: Json | undefined,
  direction: Direction,
  fallbackRole: string,
): readonly ContentPart[] => {
  if (value === undefined || value === null || value === '') return [];
  const opened = unwrap(value);
  const messages = Array.isArray(opened) ? (opened as readonly Json[]) : [opened];
  const parts: ContentPart[] = [];
  for (const message of messages) {
    if (parts.length >= CONTENT_PARTS_MAX) break;
    parts.push(...readMessage(message, direction, fallbackRole));
  }
  return parts.slice(0, CONTENT_PARTS_MAX);
};

/** Tool definitions as one part: long, and the same on every call of an agent. */
export const toolDefinitions = (value: Json | undefined): readonly ContentPart[] =>
  value === undefined || value === null || value === ''
    ? []
    : [{ direction: 'input', role: 'tools', partKind: 'other', content: displayText(value) }];

/** Arguments and result of a tool as parts. */
export const toolContent = (args: Json | undefined, result: Json | undefined): readonly ContentPart[] => [
  ...(args === undefined ? [] : [part('input', 'assistant', 'tool_call', args)]),
  ...(result === undefined ? [] : [part('output', 'tool', 'tool_result', result)]),
];

const part = (direction: Direction, role: string, partKind: PartKind, value: Json): ContentPart => ({
  direction,
  role,
  partKind,
  content: displayText(value),
});
