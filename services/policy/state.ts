import type { AgentStep } from '../../schemas/agent-step.ts';
import { assert } from '../runtime/errors.ts';
import type { Json } from './rule-set.ts';

/** Where a step's source record stands: offset, and index in the record. */
export interface Mark {
  readonly offset: number;
  readonly index: number;
}

/** Everything the policy fold knows of one run. Never changed in place: a batch that is dropped must leave no trace. */
export interface PolicyState {
  /** `tenant|run_id`. */
  readonly key: string;
  /** Hash of the rule set that judged it last; '' when none did. Names the set of a batch that has no other rows. */
  readonly ruleset: string;
  /** Short ids of the steps that were judged. */
  readonly judged: ReadonlySet<string>;
  /** Highest position seen of each source partition: tells a redelivery of steps that are no longer held. */
  readonly marks: ReadonlyMap<string, Mark>;
  /** Short ids of the violations that were written. */
  readonly violations: ReadonlySet<string>;
  /** What each detector keeps, by `id@version`. */
  readonly detectors: ReadonlyMap<string, Json>;
}

/** A run of which nothing is known yet. */
export const emptyState = (key: string): PolicyState => ({
  key,
  ruleset: '',
  judged: new Set(),
  marks: new Map(),
  violations: new Set(),
  detectors: new Map(),
});

/** 64 bits tell the steps and violations of one run apart: one chance in ten thousand million at 50,000 of them. */
const SHORT = 16;

/** The part of an id that is kept. */
export const shortId = (id: string): string => id.slice(0, SHORT);

/** The source partition of a step, as one text. */
export const sourceOf = (step: AgentStep): string => `${step.log_id}/${step.log_topic}/${step.log_partition}`;

/** Whether the step stands at or before the mark of its partition: it was here before. */
export const isAtOrBefore = (step: AgentStep, mark: Mark | undefined): boolean =>
  mark !== undefined &&
  (step.log_offset < mark.offset || (step.log_offset === mark.offset && step.log_index <= mark.index));

const VERSION = 1;

interface StoredState {
  readonly v: number;
  readonly k: string;
  readonly r?: string;
  readonly j: string;
  readonly m: readonly (readonly [source: string, offset: number, index: number])[];
  readonly w: string;
  readonly d: readonly (readonly [detector: string, kept: Json])[];
}

/** Compact JSON, everything sorted. Equal states give equal text. */
export const serialiseState = (state: PolicyState): string => {
  const stored: StoredState = {
    v: VERSION,
    k: state.key,
    r: state.ruleset,
    j: [...state.judged].sort().join(''),
    m: byKey(state.marks).map(([source, { offset, index }]) => [source, offset, index]),
    w: [...state.violations].sort().join(''),
    d: byKey(state.detectors),
  };
  return JSON.stringify(stored);
};

const byKey = <T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

/** Reads text `serialiseState` wrote. Anything else is a bug or a foreign hand in the table: InvariantError. */
export const parseState = (text: string): PolicyState => {
  const stored = JSON.parse(text) as StoredState;
  assert(stored.v === VERSION, `policy state of version ${stored.v}`);
  return {
    key: stored.k,
    ruleset: stored.r ?? '',
    judged: new Set(cut(stored.j)),
    marks: new Map(stored.m.map(([source, offset, index]) => [source, { offset, index }])),
    violations: new Set(cut(stored.w)),
    detectors: new Map(stored.d),
  };
};

const cut = (text: string): readonly string[] =>
  Array.from({ length: text.length / SHORT }, (_, at) => text.slice(at * SHORT, (at + 1) * SHORT));
