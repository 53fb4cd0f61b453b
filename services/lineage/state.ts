import { assert } from '../runtime/errors.ts';
import type { DesiredEdge, Edges } from './edges.ts';
import { charsOf, type Evidence } from './evidence.ts';

/** An edge as the table has it. */
export interface SetEdge {
  /** How often it was set before: an edge that comes back gets another id. */
  readonly revision: number;
  /** null: taken back. */
  readonly edge: DesiredEdge | null;
}

/** Everything lineage knows of one run. Never changed in place: a batch that is dropped must leave no trace. */
export interface LineageState {
  /** `tenant|run_id`. */
  readonly key: string;
  readonly steps: ReadonlyMap<string, Evidence>;
  /** Sum of `charsOf` over the steps. */
  readonly chars: number;
  /** What has been written, by edge key. Of edges taken back only some are remembered. */
  readonly set: ReadonlyMap<string, SetEdge>;
  /** No edge that is not in `set` was ever written with this revision or a later one. */
  readonly floor: number;
  /** Edges told by steps that are not held. */
  readonly spilled: Edges;
  /** What was said of tools when it was stepped last, by its hash: a batch whose intent is lost is known by it. */
  readonly tools: string;
}

/** A run of which nothing is known yet. */
export const emptyState = (key: string): LineageState => ({
  key,
  steps: new Map(),
  chars: 0,
  set: new Map(),
  floor: 0,
  spilled: new Map(),
  tools: '',
});

/** `tenant|run_id`: a tenant has no bar in its name. */
export const splitKey = (key: string): readonly [tenantId: string, runId: string] => {
  const bar = key.indexOf('|');
  return [key.slice(0, bar), key.slice(bar + 1)];
};

const VERSION = 1;

type Ref = (text: string) => number;
type StoredStep = readonly [
  step: number,
  trace: number,
  span: number,
  parent: number,
  signal: number,
  kind: number,
  start: number,
  said: 0 | NonNullable<Evidence['said']>,
  /** Microseconds from start to end; states written before data flow was told have none. */
  lasted?: number,
];
interface StoredState {
  readonly v: number;
  readonly k: string;
  readonly t: readonly string[];
  /** Chars and floor; states written before these were counted have neither. */
  readonly c?: number;
  readonly f?: number;
  /** Hash of the catalogue of tools; states written before there was one have none. */
  readonly r?: string;
  readonly e: readonly StoredStep[];
  readonly s: readonly (readonly [key: string, revision: number, edge: DesiredEdge | null])[];
  readonly x: readonly (readonly [key: string, edge: DesiredEdge])[];
}

/** Compact JSON: ids once in a table, everything sorted. Equal states give equal text. */
export const serialiseState = (state: LineageState): string => {
  const table = new Map<string, number>();
  const ref: Ref = (text) => {
    const known = table.get(text);
    if (known !== undefined) return known;
    table.set(text, table.size);
    return table.size - 1;
  };
  const stored: Omit<StoredState, 't'> = {
    v: VERSION,
    k: state.key,
    c: state.chars,
    f: state.floor,
    ...(state.tools === '' ? {} : { r: state.tools }),
    e: byKey(state.steps).map(([, step]) => encodeStep(step, ref)),
    s: byKey(state.set).map(([key, { revision, edge }]) => [key, revision, edge]),
    x: byKey(state.spilled).map(([key, edge]) => [key, edge]),
  };
  return JSON.stringify({ ...stored, t: [...table.keys()] });
};

const byKey = <T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const encodeStep = (step: Evidence, ref: Ref): StoredStep => [
  ref(step.step_id),
  ref(step.trace_id),
  ref(step.span_id),
  ref(step.parent_span_id),
  ref(step.signal),
  ref(step.step_kind),
  step.start_unix_micros,
  step.said ?? 0,
  step.end_unix_micros - step.start_unix_micros,
];

/** Reads text `serialiseState` wrote. Anything else is a bug or a foreign hand in the table: InvariantError. */
export const parseState = (text: string): LineageState => {
  const stored = JSON.parse(text) as StoredState;
  assert(stored.v === VERSION, `lineage state of version ${stored.v}`);
  const at = (index: number): string => stored.t[index] ?? '';
  const steps = stored.e.map(
    ([step, trace, span, parent, signal, kind, start, said, lasted]): Evidence => ({
      step_id: at(step),
      signal: at(signal) as Evidence['signal'],
      step_kind: at(kind) as Evidence['step_kind'],
      trace_id: at(trace),
      span_id: at(span),
      parent_span_id: at(parent),
      start_unix_micros: start,
      end_unix_micros: start + (lasted ?? 0),
      said: said === 0 ? null : said,
    }),
  );
  return {
    key: stored.k,
    steps: new Map(steps.map((step) => [step.step_id, step])),
    chars: stored.c ?? steps.reduce((sum, step) => sum + charsOf(step), 0),
    set: new Map(stored.s.map(([key, revision, edge]) => [key, { revision, edge }])),
    floor: stored.f ?? 0,
    spilled: new Map(stored.x),
    tools: stored.r ?? '',
  };
};
