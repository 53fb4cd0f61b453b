import { type AgentStep, BLANK_CALL, BLANK_STEP } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import { STATUSES, STEP_KINDS, VANTAGES } from '../../schemas/step-kinds.ts';
import { durationMicros } from './duration.ts';
import { FIELD_GROUPS, STEP_FIELDS, type StepField } from './fields.ts';
import type { YamlPath } from './yaml-documents.ts';

/** A step of a test inside a rule file: when it ends, how often it comes, and what the emitter says. */
export interface TestStep {
  readonly atMicros: number;
  readonly repeat: number;
  readonly told: Partial<AgentStep>;
}

interface StepProblem {
  readonly path: YamlPath;
  readonly message: string;
}

/** Enough for any level of a loop, and little enough for a test. */
const REPEAT_MAX = 1_000;

const ALLOWED: Readonly<Record<string, readonly string[]>> = { kind: STEP_KINDS, vantage: VANTAGES, status: STATUSES };

/** Reads `{at, repeat, kind, tool: {name: …}, …}`: the fields of `e`, nested as they are named. */
export const readTestStep = (
  raw: Readonly<Record<string, unknown>>,
): { readonly step: TestStep; readonly problems: readonly StepProblem[] } => {
  const problems: StepProblem[] = [];
  const { at = '0s', repeat = 1, ...fields } = raw;
  const atMicros = typeof at === 'string' ? durationMicros(at) : null;
  if (atMicros === null) problems.push({ path: ['at'], message: 'at is a duration from the start, such as 5s' });
  const isCount = typeof repeat === 'number' && Number.isInteger(repeat) && repeat >= 1 && repeat <= REPEAT_MAX;
  if (!isCount) problems.push({ path: ['repeat'], message: `repeat is a whole number from 1 to ${REPEAT_MAX}` });
  if (fields['kind'] === undefined) problems.push({ path: [], message: 'a step says its kind' });
  const told = Object.entries(fields).map(([name, value]) => readEntry(name, value, problems));
  const step = { atMicros: atMicros ?? 0, repeat: isCount ? repeat : 1, told: told.reduce(merge, {}) };
  return { step, problems };
};

const readEntry = (name: string, value: unknown, problems: StepProblem[]): Partial<AgentStep> => {
  if (!FIELD_GROUPS.includes(name)) return readField(name, [name], value, problems);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.push({ path: [name], message: `${name} is a group of fields, such as {name: …}` });
    return {};
  }
  return Object.entries(value)
    .map(([key, entry]) => readField(`${name}.${key}`, [name, key], entry, problems))
    .reduce(merge, {});
};

const readField = (path: string, place: YamlPath, value: unknown, problems: StepProblem[]): Partial<AgentStep> => {
  const field = STEP_FIELDS.find((each) => each.path === path);
  const problem = field === undefined ? `${path} is no field of a step` : valueProblem(field, value);
  if (problem !== null) problems.push({ path: place, message: problem });
  if (field === undefined || problem !== null) return {};
  // The model that answers is what a test means when it says "the model".
  if (path === 'llm.model') return { response_model: String(value) };
  return field.write?.(value) ?? {};
};

const valueProblem = (field: StepField, value: unknown): string | null => {
  if (field.write === undefined && field.path !== 'llm.model')
    return `${field.path} is computed: set what it is made of`;
  const allowed = ALLOWED[field.path];
  if (allowed !== undefined && !allowed.includes(String(value)))
    return `${field.path} is ${JSON.stringify(value)}; allowed: ${allowed.join(', ')}`;
  return isOfType(field, value) ? null : `${field.path} must be of type ${field.type}`;
};

const isOfType = ({ type }: StepField, value: unknown): boolean => {
  const isText = (each: unknown): boolean => typeof each === 'string';
  switch (type) {
    case 'double':
      return typeof value === 'number' && Number.isFinite(value);
    case 'bool':
      return typeof value === 'boolean';
    case 'list<string>':
      return Array.isArray(value) && value.every(isText);
    case 'map<string, string>':
      return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText);
    default:
      return typeof value === 'string';
  }
};

const merge = (a: Partial<AgentStep>, b: Partial<AgentStep>): Partial<AgentStep> => ({
  ...a,
  ...b,
  ...(a.facts !== undefined && b.facts !== undefined ? { facts: { ...a.facts, ...b.facts } } : {}),
  ...(a.call && b.call ? { call: { ...a.call, ...onlySaid(b.call) } } : {}),
});

/** A call as one field wrote it holds blanks for all others. */
const onlySaid = (call: NonNullable<AgentStep['call']>): Partial<NonNullable<AgentStep['call']>> =>
  Object.fromEntries(
    Object.entries(call).filter(([key, value]) => BLANK_CALL[key as keyof typeof BLANK_CALL] !== value),
  );

/** What every step of a test has, whatever it says of itself. */
const FRAME = {
  ...BLANK_STEP,
  run_id: hash128(['run of a test']),
  log_id: 'test',
  log_topic: 'test',
  name: 'test',
  service: 'test',
  family: 'test',
  scope_name: 'test',
};

/** The steps of a test as the fold would get them, in time order; `startMicros`: the moment `0s`. */
export const testSteps = (steps: readonly TestStep[], tenant: string, startMicros: number): readonly AgentStep[] =>
  steps
    .flatMap((step) => Array.from({ length: step.repeat }, () => step))
    .map(({ atMicros, told }, index) => {
      const { tool_arguments: args } = told;
      const hash = args === undefined || args === null ? {} : { tool_arguments_hash: hash128([args]) };
      return {
        ...FRAME,
        tenant_id: tenant,
        step_id: hash128(['step of a test', String(index)]),
        span_id: hash128(['span of a test', String(index)]).slice(0, 16),
        log_offset: index,
        start_unix_micros: startMicros + atMicros,
        end_unix_micros: startMicros + atMicros,
        logged_at_ms: Math.floor((startMicros + atMicros) / 1_000),
        ...hash,
        ...told,
      };
    })
    .sort((a, b) => a.end_unix_micros - b.end_unix_micros);
