import type { ContentRow } from '../queries/content.ts';
import type { StepRow } from '../queries/steps.ts';

/** What the flow needs of a step. */
export type FlowStep = Pick<
  StepRow,
  | 'step_id'
  | 'span_id'
  | 'parent_span_id'
  | 'signal'
  | 'step_kind'
  | 'name'
  | 'agent_name'
  | 'tool_name'
  | 'status'
  | 'error_type'
  | 'error_message'
  | 'attempt'
  | 'ts_nanos'
  | 'duration_ns'
>;
export type FlowPart = Pick<
  ContentRow,
  | 'step_id'
  | 'direction'
  | 'role'
  | 'part_kind'
  | 'content'
  | 'content_hash'
  | 'content_bytes'
  | 'is_cut'
  | 'pii_classes'
>;

interface At {
  readonly step: FlowStep;
  /** Nanoseconds after the first moment of the conversation. */
  readonly at_ns: number;
  /** Whose turn it is; null: no agent was named. */
  readonly agent: string | null;
}

/** One thing that happened in a conversation. */
export type Moment =
  | (At & { readonly kind: 'said'; readonly part: FlowPart })
  /** The model asks for a tool. */
  | (At & { readonly kind: 'asked'; readonly part: FlowPart; readonly tool: string | null; readonly input: string })
  /** A tool ran; `input` where nobody was seen asking. */
  | (At & {
      readonly kind: 'ran';
      readonly tool: string;
      readonly input: string | null;
      readonly results: readonly FlowPart[];
    })
  | (At & { readonly kind: 'failed' });

export interface Flow {
  readonly moments: readonly Moment[];
  /** Parts left out because they were said before: agents resend their history with every call. */
  readonly repeated: number;
  /** Payloads left out because the same step tells them as messages, and definitions of tools. */
  readonly raw: number;
}

/** Steps that speak for themselves. Agents and workflows around them repeat what these say. */
const SPEAKERS: ReadonlySet<string> = new Set([
  'llm',
  'tool',
  'retrieval',
  'guardrail',
  'egress',
  'data_access',
  'approval',
]);
/** Steps that do something and come back with a result. */
const DOERS: ReadonlySet<string> = new Set(['tool', 'retrieval', 'guardrail', 'egress', 'data_access', 'approval']);
/** Parents looked at for the name of an agent. */
const DEPTH_MAX = 100;

/**
 * A run as the agent lived it: what went in, what the model thought, said and asked for, what its tools answered, what
 * failed, each once and in order. What a model was given stands at its start, what it and its tools answered at their end.
 */
export const conversationFlow = (steps: readonly FlowStep[], parts: readonly FlowPart[]): Flow => {
  const byId = new Map(steps.map((step) => [step.step_id, step]));
  const isSpoken = parts.some((part) => SPEAKERS.has(byId.get(part.step_id)?.step_kind ?? ''));
  const used = parts.filter((part) => !isSpoken || SPEAKERS.has(byId.get(part.step_id)?.step_kind ?? ''));
  const messages = withoutRaw(used);
  const contentOf = Map.groupBy(messages, (part) => part.step_id);
  const agentOf = agents(steps);
  const firstNs = steps.reduce<bigint | null>((least, step) => smaller(least, BigInt(step.ts_nanos)), null) ?? 0n;
  const at = (step: FlowStep, isEnd: boolean): At => ({
    step,
    at_ns: Number(BigInt(step.ts_nanos) - firstNs) + (isEnd ? step.duration_ns : 0),
    agent: agentOf(step),
  });
  const open = steps.flatMap((step) => {
    const own = contentOf.get(step.step_id) ?? [];
    return DOERS.has(step.step_kind) && isRun(step, own) ? [doing(at(step, true), own)] : speaking(step, own, at);
  });
  const inOrder = open.sort(byMoment);
  const { moments, repeated } = once(inOrder);
  return { moments: withAskings(moments), repeated, raw: used.length - messages.length };
};

/** By time; at one time what was said stands before what came of it. Parts of one step keep their order. */
const byMoment = (a: Moment, b: Moment): number =>
  a.at_ns - b.at_ns ||
  Number(a.kind === 'ran') - Number(b.kind === 'ran') ||
  (a.step.step_id === b.step.step_id ? 0 : a.step.step_id < b.step.step_id ? -1 : 1);

const smaller = (a: bigint | null, b: bigint): bigint => (a === null || b < a ? b : a);

/** A span of a tool is a run of it; a log record only where it says something. */
const isRun = (step: FlowStep, own: readonly FlowPart[]): boolean => step.signal === 'span' || own.length > 0;

/** Messages; raw payloads only where a step tells nothing else in that direction. */
const withoutRaw = (parts: readonly FlowPart[]): readonly FlowPart[] => {
  const sideOf = (part: FlowPart): string => `${part.step_id}|${part.direction}`;
  const isMessage = (part: FlowPart): boolean => part.part_kind !== 'other' && part.direction !== 'attribute';
  const told = new Set(parts.filter(isMessage).map(sideOf));
  return parts.filter(
    (part) => isMessage(part) || (part.role !== 'tools' && part.direction !== 'attribute' && !told.has(sideOf(part))),
  );
};

const agents = (steps: readonly FlowStep[]): ((step: FlowStep) => string | null) => {
  const spans = new Map(steps.filter((step) => step.signal === 'span').map((step) => [step.span_id, step]));
  return (step) => {
    let next: FlowStep | undefined = step;
    for (let depth = 0; next !== undefined && depth < DEPTH_MAX; depth += 1) {
      if (next.agent_name !== null) return next.agent_name;
      const above: string = next.signal === 'span' ? next.parent_span_id : next.span_id || next.parent_span_id;
      const parent: FlowStep | undefined = spans.get(above);
      next = parent === next ? undefined : parent;
    }
    return null;
  };
};

// ---------------------------------------------------------------------- moments

const doing = (place: At, own: readonly FlowPart[]): Moment => ({
  ...place,
  kind: 'ran',
  tool: place.step.tool_name ?? place.step.name,
  input: own.find((part) => part.direction === 'input')?.content ?? null,
  results: own.filter((part) => part.direction === 'output'),
});

const speaking = (
  step: FlowStep,
  own: readonly FlowPart[],
  at: (step: FlowStep, isEnd: boolean) => At,
): readonly Moment[] => [
  ...own.map((part) => moment(at(step, part.direction === 'output'), part)),
  ...(step.step_kind === 'llm' && step.status === 'error' ? [{ ...at(step, true), kind: 'failed' as const }] : []),
];

const moment = (place: At, part: FlowPart): Moment => {
  if (part.part_kind !== 'tool_call') return { ...place, kind: 'said', part };
  const asked = askedOf(part.content);
  return { ...place, kind: 'asked', part, tool: asked.tool, input: asked.input };
};

/** `{"name":…,"arguments":…}` as the normalizer writes calls of tools; anything else is shown as it is. */
const askedOf = (content: string): { readonly tool: string | null; readonly input: string } => {
  const call = parsed(content);
  if (typeof call !== 'object' || call === null || !('name' in call) || typeof call.name !== 'string')
    return { tool: null, input: content };
  return { tool: call.name, input: 'arguments' in call ? textOf(call.arguments) : '' };
};

const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Cut, or prose: it stays text.
  }
};

// ------------------------------------------------------------------------- once

/** Leaves out what was said before. */
const once = (moments: readonly Moment[]): { readonly moments: readonly Moment[]; readonly repeated: number } => {
  const said = new Set<string>();
  const fresh = moments.filter((one) => {
    if (one.kind === 'failed') return true;
    if (one.kind === 'ran') {
      // The model reads the result with its next call: it is shown here, where it came to be.
      for (const result of one.results) for (const key of resultKeys(result)) said.add(key);
      return true;
    }
    const isNew = !said.has(keyOf(one.part));
    said.add(keyOf(one.part));
    return isNew;
  });
  return { moments: fresh, repeated: moments.length - fresh.length };
};

/**
 * Many emitters round times to milliseconds, so that a quick tool seems to have answered before the model had finished
 * asking for it: an asking this much later is still the one.
 */
const ROUNDING_NS = 5_000_000;

/** Each run of a tool behind the asking for it, which then tells its input. */
const withAskings = (moments: readonly Moment[]): readonly Moment[] => {
  const asked = moments.filter((one) => one.kind === 'asked');
  const askings = Map.groupBy(asked, (one) => callKey(one.tool, one.input));
  const taken = new Set<Moment>();
  return moments
    .map((one) => {
      if (one.kind !== 'ran') return one;
      const first = askings.get(callKey(one.tool, one.input ?? ''))?.find((asking) => !taken.has(asking));
      if (first === undefined || first.at_ns > one.at_ns + ROUNDING_NS) return one;
      taken.add(first);
      return { ...one, input: null, at_ns: Math.max(one.at_ns, first.at_ns) };
    })
    .sort(byMoment);
};

const keyOf = (part: FlowPart): string => `${part.role}|${part.part_kind}|${part.content_hash}`;

const resultKeys = (part: FlowPart): readonly string[] => [
  keyOf(part),
  `tool|tool_result|${part.content_hash}`,
  `tool|text|${part.content_hash}`,
];

/** A call of a tool by name and arguments, whatever the order of its keys. */
const callKey = (tool: string | null, input: string): string =>
  `${tool ?? ''}|${JSON.stringify(sorted(parsed(input) ?? input))}`;

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
};
