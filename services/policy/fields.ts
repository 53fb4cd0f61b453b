import { type AgentStep, BLANK_CALL, type StepCall } from '../../schemas/agent-step.ts';

/** Types a condition sees. Numbers are doubles. */
export type FieldType = 'string' | 'double' | 'bool' | 'list<string>' | 'map<string, string>' | 'timestamp';

/** One field of `e`, the step a condition judges. */
export interface StepField {
  /** Without the `e.`: `tool.name`. */
  readonly path: string;
  readonly type: FieldType;
  readonly says: string;
  /** undefined: the emitter did not say. Never 0 or '' in its place. */
  readonly read: (step: AgentStep) => unknown;
  /** What a test inside a rule file writes; absent: the field is computed. */
  readonly write?: (value: unknown) => Partial<AgentStep>;
  /** Told by whoever acts about its own act: from vantage `agent` it excuses nothing (`unless`). */
  readonly isClaim?: true;
  /** Holds what was said to a tool: shown to those with the grant `content` only, so no title may carry it. */
  readonly isContent?: true;
}

/** Entries of a fact that is a list: the normalizer keeps facts far shorter. */
const ENTRIES_MAX = 1_000;

type TextColumn = {
  readonly [K in keyof AgentStep]: AgentStep[K] extends string | null ? K : never;
}[keyof AgentStep];

const column = (path: string, key: TextColumn, says: string): StepField => ({
  path,
  type: 'string',
  says,
  read: (step) => (step[key] === '' ? undefined : (step[key] ?? undefined)),
  write: (value) => ({ [key]: value }),
});

type CallNumber = { readonly [K in keyof StepCall]: StepCall[K] extends number | null ? K : never }[keyof StepCall];

const callNumber = (key: CallNumber, says: string): StepField => ({
  path: `llm.${key}`,
  type: 'double',
  says,
  read: (step) => step.call?.[key] ?? undefined,
  write: (value) => ({ call: { ...BLANK_CALL, [key]: value } }),
});

const fact = (path: string, type: FieldType, says: string): StepField => ({
  path,
  type,
  says,
  read: (step) => {
    const text = step.facts[path];
    if (text === undefined || text.trim() === '') return undefined;
    if (type === 'double') return Number.isFinite(Number(text)) ? Number(text) : undefined;
    return type === 'list<string>' ? text.split(',', ENTRIES_MAX) : text;
  },
  write: (value) => ({ facts: { [path]: Array.isArray(value) ? value.join(',') : String(value) } }),
});

const claim = (path: string, type: FieldType, says: string): StepField => ({
  ...fact(path, type, says),
  isClaim: true,
});

/**
 * Found by the normalizer in the content that came with the step: content without a find is an empty list. A tool whose
 * content was not sent is unknown, by the hash it lacks; of other kinds nothing tells whether there was content.
 */
const classes = (path: string, says: string, hash: 'tool_arguments_hash' | 'tool_result_hash' | null): StepField => ({
  ...fact(path, 'list<string>', says),
  read: (step) => {
    const found = step.facts[path];
    if (found !== undefined) return found.split(',', ENTRIES_MAX);
    return hash !== null && step.step_kind === 'tool' && step[hash] === null ? undefined : [];
  },
});

const PII_FACTS = ['pii.input', 'pii.output', 'pii.arguments'] as const;

/** Both sides told: what a detail bucket does not tell sits in the enclosing one, so nothing is missing in the sum. */
const totalTokens = ({ call }: AgentStep): number | undefined => {
  const prompt = promptTokens(call);
  if (call === null || prompt === undefined || call.output_tokens === null) return undefined;
  return prompt + call.output_tokens + (call.reasoning_tokens ?? 0);
};

const promptTokens = (call: StepCall | null): number | undefined =>
  call === null || call.input_tokens === null
    ? undefined
    : call.input_tokens +
      (call.cache_read_tokens ?? 0) +
      (call.cache_write_tokens ?? 0) +
      (call.cache_write_1h_tokens ?? 0);

const computed = (path: string, type: FieldType, says: string, read: StepField['read']): StepField => ({
  path,
  type,
  says,
  read,
});

/** Every field of `e`. What conditions, templates, dedupe keys and tests may name, and nothing else. */
export const STEP_FIELDS: readonly StepField[] = [
  column('kind', 'step_kind', 'agent llm embedding tool retrieval … egress data_access approval control other'),
  column('name', 'name', 'span or event name'),
  column('tenant', 'tenant_id', 'tenant'),
  column('run_id', 'run_id', 'the run'),
  column('step_id', 'step_id', 'identity of the step'),
  column('trace_id', 'trace_id', 'trace, absent on records outside tracing'),
  column('span_id', 'span_id', 'span'),
  column('parent_span_id', 'parent_span_id', 'span around it'),
  column('signal', 'signal', 'span, log or action'),
  column('vantage', 'vantage', 'who says it: agent, runtime, gateway, proxy, operator; bound to the sender’s token'),
  column('service', 'service', 'service.name'),
  column('environment', 'environment', 'deployment environment'),
  column('family', 'family', 'emitter convention'),
  column('session_id', 'session_id', 'conversation'),
  column('agent_name', 'agent_name', 'agent, where this step says it'),
  column('agent_id', 'agent_id', 'agent id'),
  column('agent_version', 'agent_version', 'agent version'),
  column('workflow', 'workflow', 'workflow'),
  column('user_id', 'user_id', 'user'),
  column('on_behalf_of', 'on_behalf_of', 'whom the agent acts for'),
  column('account', 'account', 'account with the provider'),
  column('status', 'status', 'ok, error, unset'),
  column('error_type', 'error_type', 'class of the error'),
  column('error_message', 'error_message', 'redacted'),
  column('prompt_name', 'prompt_name', 'prompt template'),
  column('prompt_version', 'prompt_version', 'its version'),
  {
    path: 'attempt',
    type: 'double',
    says: 'number of the try, from 1',
    read: (step) => step.attempt ?? undefined,
    write: (value) => ({ attempt: Number(value) }),
  },
  computed('ts', 'timestamp', 'end of the step', (step) => new Date(Math.floor(step.end_unix_micros / 1000))),
  computed(
    'duration_ms',
    'double',
    'end minus start',
    (step) => (step.end_unix_micros - step.start_unix_micros) / 1000,
  ),
  {
    path: 'flags',
    type: 'list<string>',
    says: 'what the normalizer noticed',
    read: (step) => step.flags,
    write: (value) => ({ flags: value as readonly string[] }),
  },
  {
    path: 'labels',
    type: 'map<string, string>',
    says: 'labels by name',
    read: (step) => step.labels,
    write: (value) => ({ labels: value as Readonly<Record<string, string>> }),
    isClaim: true,
  },
  {
    path: 'facts',
    type: 'map<string, string>',
    says: 'every flat fact by name, as text',
    read: (step) => step.facts,
    write: (value) => ({ facts: value as Readonly<Record<string, string>> }),
    isClaim: true,
  },
  column('tool.name', 'tool_name', 'tool'),
  column('tool.call_id', 'tool_call_id', 'id of the call in the conversation'),
  { ...column('tool.arguments', 'tool_arguments', 'canonical JSON, redacted, cut at 4 KiB'), isContent: true },
  column('tool.arguments_hash', 'tool_arguments_hash', 'of the whole arguments'),
  column('tool.result_hash', 'tool_result_hash', 'of the whole result'),
  column('tool.schema_hash', 'tool_schema_hash', 'of name, description and schema'),
  computed('llm.model', 'string', 'the model that answered, else the one asked for', (step) =>
    step.response_model === null ? (step.request_model ?? undefined) : step.response_model,
  ),
  column('llm.request_model', 'request_model', 'model asked for'),
  column('llm.response_model', 'response_model', 'model that answered'),
  column('llm.response_id', 'response_id', 'id of the answer'),
  column('llm.provider', 'provider', 'provider'),
  column('llm.region', 'region', 'region of the provider'),
  column('llm.service_tier', 'service_tier', 'service tier'),
  {
    path: 'llm.role',
    type: 'string',
    says: 'leaf: describes one call itself; wrapper: repeats or sums the calls below it',
    read: (step) => step.call?.role,
    write: (value) => ({ call: { ...BLANK_CALL, role: value === 'wrapper' ? 'wrapper' : 'leaf' } }),
  },
  {
    path: 'llm.operation',
    type: 'string',
    says: 'chat, embeddings …',
    read: (step) => step.call?.operation ?? undefined,
    write: (value) => ({ call: { ...BLANK_CALL, operation: String(value) } }),
  },
  callNumber('input_tokens', 'prompt tokens that no cache served'),
  callNumber('cache_read_tokens', 'prompt tokens read from a cache'),
  callNumber('cache_write_tokens', 'prompt tokens written to a cache'),
  callNumber('output_tokens', 'answer without reasoning'),
  callNumber('reasoning_tokens', 'reasoning'),
  computed('llm.prompt_tokens', 'double', 'the whole prompt', (step) => promptTokens(step.call)),
  computed('llm.total_tokens', 'double', 'prompt and answer, when both were told', totalTokens),
  classes('pii.input', 'classes found in what went in: api_key, card_number, email …', null),
  classes('pii.output', 'classes found in what came out; of a tool without a result: unknown', 'tool_result_hash'),
  classes(
    'pii.arguments',
    'classes found in the arguments of a tool; without arguments: unknown',
    'tool_arguments_hash',
  ),
  computed('pii.found', 'list<string>', 'every class found in the step, sorted', ({ facts }) =>
    [...new Set(PII_FACTS.flatMap((path) => facts[path]?.split(',', ENTRIES_MAX) ?? []))].sort(),
  ),
  claim('egress.host', 'string', 'host reached'),
  claim('egress.port', 'double', 'port'),
  claim('egress.bytes_out', 'double', 'bytes sent'),
  claim('egress.bytes_in', 'double', 'bytes received'),
  claim('egress.zone', 'string', 'internal, external …'),
  claim('egress.method', 'string', 'method'),
  claim('egress.path', 'string', 'path'),
  claim('data.namespace', 'string', 'where the data set stands'),
  claim('data.name', 'string', 'data set'),
  claim('data.dataset', 'string', 'data set, as a span names it'),
  claim('data.operation', 'string', 'read, write …'),
  claim('data.rows', 'double', 'rows'),
  claim('data.bytes', 'double', 'bytes'),
  claim('data.sensitivity', 'double', 'from 0'),
  claim('data.labels', 'list<string>', 'labels of the data'),
  claim('secret.name', 'string', 'secret used'),
  claim('secret.destination', 'string', 'towards whom'),
  claim('approval.action', 'string', 'what was to be approved'),
  claim('approval.decision', 'string', 'approved, denied …'),
  claim('approval.approver', 'string', 'by whom'),
  claim('control.action', 'string', 'kill, pause, resume …'),
  claim('control.target', 'string', 'of what'),
  fact('mcp.method', 'string', 'method of the Model Context Protocol'),
  fact('mcp.resource', 'string', 'resource read'),
  fact('mcp.session', 'string', 'session'),
];

const BY_PATH: ReadonlyMap<string, StepField> = new Map(STEP_FIELDS.map((field) => [field.path, field]));

/** The field named `e.…`; undefined when there is none. */
export const stepField = (name: string): StepField | undefined =>
  name.startsWith('e.') ? BY_PATH.get(name.slice(2)) : undefined;

/** Groups of fields: `tool`, `llm` … */
export const FIELD_GROUPS: readonly string[] = [
  ...new Set(STEP_FIELDS.flatMap(({ path }) => (path.includes('.') ? [path.slice(0, path.indexOf('.'))] : []))),
];
