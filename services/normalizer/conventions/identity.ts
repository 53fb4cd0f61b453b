import type { SpanView } from '../span-view.ts';
import type { StepFacts } from '../step-facts.ts';
import { asText, textAttr } from './values.ts';

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

const SESSION_NAMES = [
  'session_id',
  'sessionId',
  'thread_id',
  'threadId',
  'conversation_id',
  'conversationId',
  'chat_id',
  'chatId',
];
const USER_NAMES = ['user_id', 'userId', 'user', 'resourceId'];

const SESSION_KEYS = ['gen_ai.conversation.id', 'session.id', 'langfuse.session.id', 'conversation.id'];
const USER_KEYS = [
  'user.id',
  'enduser.id',
  'langfuse.user.id',
  'gen_ai.request.user',
  'user.account_uuid',
  'user.account_id',
  'user.email',
];
const AGENT_KEYS = {
  name: ['gen_ai.agent.name', 'agent.name', 'agent_name'],
  id: ['gen_ai.agent.id', 'agent.id', 'agent_id'],
  version: ['gen_ai.agent.version', 'agent.version'],
} as const;
const WORKFLOW_KEYS = ['gen_ai.workflow.name', 'traceloop.workflow.name', 'workflow.name'];

/** A vendor's own key for a session: any key that ends so. */
const SESSION_SUFFIX = /[.:_](?:session|thread|conversation|chat)[._]?id$/i;
/** Sessions of transports and processes are none of an agent's: a connection to a tool server, an OS thread, a browser tab. */
const NOT_A_SESSION = /^(?:mcp|jsonrpc|rpc|http|tls|db|network|messaging|process|thread|browser|device)\b/;
/** Beyond this many attributes the suffix search stops: a span that large is not an agent step. */
const SUFFIX_KEYS_MAX = 512;

const searchSession = (view: SpanView): string | undefined => {
  let seen = 0;
  for (const [key, value] of view.attrs()) {
    if (++seen > SUFFIX_KEYS_MAX) return undefined;
    // A number is a count or an OS id, never a conversation.
    if (typeof value === 'string' && value !== '' && SESSION_SUFFIX.test(key) && !NOT_A_SESSION.test(key)) return value;
  }
  return undefined;
};

const applicationKeys = (names: readonly string[]): readonly string[] =>
  APPLICATION_PREFIXES.flatMap((prefix) => names.map((name) => prefix + name));
const APPLICATION_SESSION_KEYS = applicationKeys(SESSION_NAMES);
const APPLICATION_USER_KEYS = applicationKeys(USER_NAMES);

/** The conversation a step belongs to: official keys, then what applications set, then any vendor key of that form. */
export const readSession = (view: SpanView): string | undefined =>
  textAttr(view, SESSION_KEYS) ?? textAttr(view, APPLICATION_SESSION_KEYS) ?? searchSession(view);

const readUser = (view: SpanView): string | undefined =>
  textAttr(view, USER_KEYS) ?? textAttr(view, APPLICATION_USER_KEYS);

/** Labels of one step, and their length: a label is for grouping, not for text. */
const LABELS_MAX = 32;
const LABEL_CHARS_MAX = 128;
const IDENTITY_NAMES = new Set([...SESSION_NAMES, ...USER_NAMES]);

const readLabels = (view: SpanView): Readonly<Record<string, string>> => {
  const labels = new Map<string, string>();
  for (const [key, value] of view.attrs()) {
    if (labels.size >= LABELS_MAX) break;
    const prefix = APPLICATION_PREFIXES.find((candidate) => key.startsWith(candidate));
    if (prefix === undefined) continue;
    const name = key.slice(prefix.length);
    const text = typeof value === 'boolean' ? String(value) : asText(value);
    if (name === '' || text === undefined || text.length > LABEL_CHARS_MAX || name.length > LABEL_CHARS_MAX) continue;
    if (!IDENTITY_NAMES.has(name)) labels.set(name, text);
  }
  return Object.fromEntries(labels);
};

/** Who and where: the facts every family states in the same few ways. */
export const readIdentity = (view: SpanView) =>
  ({
    agentName: textAttr(view, AGENT_KEYS.name),
    agentId: textAttr(view, AGENT_KEYS.id),
    agentVersion: textAttr(view, AGENT_KEYS.version),
    workflow: textAttr(view, WORKFLOW_KEYS),
    userId: readUser(view),
    onBehalfOf: textAttr(view, ['tacho.on_behalf_of', 'enduser.on_behalf_of']),
    account: textAttr(view, ['gen_ai.account.id', 'openai.organization']) ?? asText(view.resource('cloud.account.id')),
    sessionId: readSession(view),
    promptName: textAttr(view, ['gen_ai.prompt.name', 'langfuse.observation.prompt.name', 'traceloop.prompt.key']),
    promptVersion: textAttr(view, [
      'gen_ai.prompt.version',
      'langfuse.observation.prompt.version',
      'traceloop.prompt.version',
    ]),
    region:
      textAttr(view, ['cloud.region', 'aws.region', 'gen_ai.request.region']) ?? asText(view.resource('cloud.region')),
    serviceTier: textAttr(view, [
      'openai.response.service_tier',
      'gen_ai.openai.response.service_tier',
      'gen_ai.response.service_tier',
      'anthropic.response.service_tier',
      'openai.request.service_tier',
      'gen_ai.openai.request.service_tier',
    ]),
    labels: readLabels(view),
  }) satisfies Partial<StepFacts>;
