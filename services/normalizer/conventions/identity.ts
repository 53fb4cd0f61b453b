import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { SpanView } from '../span-view.ts';
import type { StepFacts } from '../step-facts.ts';
import { asText, keySet, keysLike, textAttr } from './values.ts';

/** Where SDKs put what an application says of itself: a prefix, then a name of the application's choice. */
const APPLICATION_PREFIXES = [
  'traceloop.association.properties.',
  'lmnr.association.properties.',
  'ai.telemetry.metadata.',
  'ai.settings.context.',
  'genkit:metadata:',
  'mastra.metadata.',
  'langsmith.metadata.',
  'langfuse.trace.metadata.',
  'langfuse.observation.metadata.',
  'logfire.metadata.',
  'metadata.',
  'tacho.label.',
] as const;

/** What applications call a conversation and a person in metadata of their own. */
export const SESSION_NAMES = [
  'session_id',
  'sessionId',
  'thread_id',
  'threadId',
  'conversation_id',
  'conversationId',
  'chat_id',
  'chatId',
];
export const USER_NAMES = ['user_id', 'userId', 'user', 'resourceId'];

const SESSION = keySet('gen_ai.conversation.id', 'session.id', 'langfuse.session.id', 'conversation.id');
const USER = keySet(
  'user.id',
  'enduser.id',
  'langfuse.user.id',
  'gen_ai.request.user',
  'user.account_uuid',
  'user.account_id',
  'user.email',
);
const SAID = {
  agentName: keySet('gen_ai.agent.name', 'agent.name', 'agent_name'),
  agentId: keySet('gen_ai.agent.id', 'agent.id', 'agent_id'),
  agentVersion: keySet('gen_ai.agent.version', 'agent.version'),
  workflow: keySet('gen_ai.workflow.name', 'traceloop.workflow.name', 'workflow.name'),
  onBehalfOf: keySet('tacho.on_behalf_of', 'enduser.on_behalf_of'),
  account: keySet('gen_ai.account.id', 'openai.organization'),
  promptName: keySet('gen_ai.prompt.name', 'langfuse.observation.prompt.name', 'traceloop.prompt.key'),
  promptVersion: keySet('gen_ai.prompt.version', 'langfuse.observation.prompt.version', 'traceloop.prompt.version'),
  region: keySet('cloud.region', 'aws.region', 'gen_ai.request.region'),
  serviceTier: keySet(
    'openai.response.service_tier',
    'gen_ai.openai.response.service_tier',
    'gen_ai.response.service_tier',
    'anthropic.response.service_tier',
    'openai.request.service_tier',
    'gen_ai.openai.request.service_tier',
  ),
};

/** A vendor's own key for a session: any key that ends so. */
const SESSION_SUFFIX = /[.:_](?:session|thread|conversation|chat)[._]?id$/i;
/** Sessions of transports and processes are none of an agent's: a connection to a tool server, an OS thread, a browser tab. */
const NOT_A_SESSION = /^(?:mcp|jsonrpc|rpc|http|tls|db|network|messaging|process|thread|browser|device)\b/;
/** Beyond this many attributes the suffix search stops: a span that large is not an agent step. */
const SUFFIX_KEYS_MAX = 512;

const LIKE_SESSION = new KeyQuestion((keys) =>
  keys
    .slice(0, SUFFIX_KEYS_MAX)
    .flatMap((key, place) => (SESSION_SUFFIX.test(key) && !NOT_A_SESSION.test(key) ? [place] : [])),
);

const searchSession = (view: SpanView): string | undefined => {
  for (const place of view.ask(LIKE_SESSION)) {
    const value = view.at(place);
    // A number is a count or an OS id, never a conversation.
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
};

const applicationKeys = (names: readonly string[]) =>
  keySet(...APPLICATION_PREFIXES.flatMap((prefix) => names.map((name) => prefix + name)));
const APPLICATION_SESSION = applicationKeys(SESSION_NAMES);
const APPLICATION_USER = applicationKeys(USER_NAMES);

/** The conversation a step belongs to: official keys, then what applications set, then any vendor key of that form. */
export const readSession = (view: SpanView): string | undefined =>
  textAttr(view, SESSION) ?? textAttr(view, APPLICATION_SESSION) ?? searchSession(view);

const readUser = (view: SpanView): string | undefined => textAttr(view, USER) ?? textAttr(view, APPLICATION_USER);

/** Labels of one step, and their length: a label is for grouping, not for text. */
const LABELS_MAX = 32;
const LABEL_CHARS_MAX = 128;
const IDENTITY_NAMES = new Set([...SESSION_NAMES, ...USER_NAMES]);

/** What an application called it; '' when it is nobody's label. */
const labelName = (key: string): string => {
  const prefix = APPLICATION_PREFIXES.find((candidate) => key.startsWith(candidate));
  const name = prefix === undefined ? '' : key.slice(prefix.length);
  return name.length > LABEL_CHARS_MAX || IDENTITY_NAMES.has(name) ? '' : name;
};
const LABELS = keysLike((key) => labelName(key) !== '');
const NO_LABELS: Readonly<Record<string, string>> = {};

const readLabels = (view: SpanView): Readonly<Record<string, string>> => {
  const placed = view.ask(LABELS);
  if (placed.length === 0) return NO_LABELS;
  const labels = new Map<string, string>();
  for (const { key, place } of placed) {
    if (labels.size >= LABELS_MAX) break;
    const value = view.at(place);
    const text = typeof value === 'boolean' ? String(value) : asText(value);
    if (text !== undefined && text.length <= LABEL_CHARS_MAX) labels.set(labelName(key), text);
  }
  return Object.fromEntries(labels);
};

/** Who and where: the facts every family states in the same few ways. */
export const readIdentity = (view: SpanView) =>
  ({
    agentName: textAttr(view, SAID.agentName),
    agentId: textAttr(view, SAID.agentId),
    agentVersion: textAttr(view, SAID.agentVersion),
    workflow: textAttr(view, SAID.workflow),
    userId: readUser(view),
    onBehalfOf: textAttr(view, SAID.onBehalfOf),
    account: textAttr(view, SAID.account) ?? asText(view.resource('cloud.account.id')),
    sessionId: readSession(view),
    promptName: textAttr(view, SAID.promptName),
    promptVersion: textAttr(view, SAID.promptVersion),
    region: textAttr(view, SAID.region) ?? asText(view.resource('cloud.region')),
    serviceTier: textAttr(view, SAID.serviceTier),
    labels: readLabels(view),
  }) satisfies Partial<StepFacts>;
