import type { AgentStep, StepCall } from '../../schemas/agent-step.ts';
import { type CallBooking, TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { assert } from '../runtime/errors.ts';
import type { BookedCall, Books } from './booking.ts';
import { type CallSums, EMPTY_SUMS } from './call-sums.ts';
import { EVIDENCE_TEXTS, type Evidence } from './evidence.ts';
import { type Findings, NO_FINDINGS, readFindings, type StoredFindings, storeFindings } from './findings.ts';
import { EMPTY_TALLY, type Tally } from './run-facts.ts';

/** Where a step's source record stands: (log, topic, partition) as one text, offset, index in the record. */
export interface Position {
  readonly log: string;
  readonly offset: number;
  readonly index: number;
}

export interface HeldStep {
  readonly evidence: Evidence;
  readonly position: Position;
  /** When it was read anew (recognition.ts), ms; 0: it stands as it came. */
  readonly recognisedAt: number;
}

/** Everything the ledger knows of one run. Never changed in place: a batch that is dropped must leave no trace. */
export interface LedgerState {
  /** `tenant|run_id`. */
  readonly key: string;
  readonly steps: ReadonlyMap<string, HeldStep>;
  /** `step_id|position` of copies already written to span_duplicates. */
  readonly duplicates: ReadonlySet<string>;
  readonly books: Books;
  /** Highest position seen of each source partition: tells a redelivery of steps that are no longer held. */
  readonly marks: ReadonlyMap<string, Position>;
  /** What is kept of steps beyond the limit, and the sums of calls booked without being held. */
  readonly spilled: Tally;
  readonly spilledSums: CallSums;
  readonly findings: Findings;
}

/** A run of which nothing is known yet. */
export const emptyState = (key: string): LedgerState => ({
  key,
  steps: new Map(),
  duplicates: new Set(),
  books: new Map(),
  marks: new Map(),
  spilled: EMPTY_TALLY,
  spilledSums: EMPTY_SUMS,
  findings: NO_FINDINGS,
});

/** Where the source record of a step stands. */
export const positionOf = (step: AgentStep): Position => ({
  log: `${step.log_id}/${step.log_topic}/${step.log_partition}`,
  offset: step.log_offset,
  index: step.log_index,
});

/** A position as one text, for sets. */
export const positionText = ({ log, offset, index }: Position): string => `${log}/${offset}/${index}`;

/** Whether two steps come from the very same source record. */
export const isSamePosition = (a: Position, b: Position): boolean =>
  a.log === b.log && a.offset === b.offset && a.index === b.index;

/** Whether a position is not beyond the mark of its partition. */
export const isAtOrBefore = (position: Position, mark: Position | undefined): boolean =>
  mark !== undefined &&
  (position.offset < mark.offset || (position.offset === mark.offset && position.index <= mark.index));

// ------------------------------------------------------------------------- text

const VERSION = 1;
/** Text fields of a booking, stored by number of the text table. */
const BOOKING_TEXTS = [
  'entry_kind',
  'ts',
  'trace_id',
  'span_id',
  'session_id',
  'service',
  'environment',
  'agent_name',
  'workflow',
  'user_id',
  'account',
  'region',
  'service_tier',
  'provider',
  'model',
  'family',
  'outcome',
  'cost_usd',
  'price_id',
  'unpriced_reason',
  'reported_cost_usd',
] as const;

type Cell = number | string | boolean | null | readonly Cell[] | { readonly [name: string]: Cell };

/** Compact JSON: texts once in a table, records as arrays, everything sorted. Equal states give equal text. */
export const serialiseState = (state: LedgerState): string => {
  const table = new Map<string, number>();
  const ref = (text: string | null): number => {
    if (text === null) return -1;
    const known = table.get(text);
    if (known !== undefined) return known;
    table.set(text, table.size);
    return table.size - 1;
  };
  const steps = byKey(state.steps).map(([, held]) => encodeStep(held, ref));
  const books = byKey(state.books).map(([callId, booked]) => encodeBooked(callId, booked, ref));
  const marks = byKey(state.marks).map(([log, mark]) => [ref(log), mark.offset, mark.index]);
  return JSON.stringify({
    v: VERSION,
    k: state.key,
    t: [...table.keys()],
    e: steps,
    b: books,
    d: [...state.duplicates].sort(),
    m: marks,
    x: state.spilled.steps === 0 && state.spilledSums.calls === 0 ? null : [state.spilled, state.spilledSums],
    w: storeFindings(state.findings),
  });
};

const byKey = <T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

type Ref = (text: string | null) => number;
type At = (index: number) => string | null;

const encodeStep = ({ evidence, position, recognisedAt }: HeldStep, ref: Ref): Cell => {
  const { call } = evidence;
  return [
    EVIDENCE_TEXTS.map((field) => ref(evidence[field])),
    evidence.start_unix_micros,
    evidence.end_unix_micros - evidence.start_unix_micros,
    [ref(position.log), position.offset, position.index],
    call === null ? 0 : encodeCall(call),
    Object.keys(evidence.labels).length === 0 ? 0 : evidence.labels,
    evidence.links.length === 0 ? 0 : evidence.links.map(({ trace_id, span_id }) => [ref(trace_id), ref(span_id)]),
    ...(recognisedAt === 0 ? [] : [recognisedAt]),
  ];
};

const encodeCall = (call: StepCall): Cell => [
  call.role === 'leaf' ? 1 : 0,
  call.operation,
  call.outcome === 'ok' ? 1 : 0,
  TOKEN_COLUMNS.map((column) => call[column]),
  call.untold,
  call.estimated,
  call.quantities,
  call.reported_cost_usd,
];

const encodeBooked = (callId: string, { booking, ...booked }: BookedCall, ref: Ref): Cell => [
  callId,
  booked.revision,
  booked.pricing_key,
  booking === null
    ? 0
    : [
        BOOKING_TEXTS.map((field) => ref(booking[field])),
        booking.calls,
        TOKEN_COLUMNS.map((column) => booking[column]),
        booking.labels,
        booking.quantities,
        booking.untold,
        booking.estimated,
      ],
  ...(booked.repricedAtMs === undefined ? [] : [booked.repricedAtMs]),
];

// ------------------------------------------------------------------------ parse

interface StoredState {
  readonly v: number;
  readonly k: string;
  readonly t: readonly string[];
  readonly e: readonly StoredStep[];
  readonly b: readonly (readonly [string, number, string, 0 | StoredBooking, repricedAtMs?: number])[];
  readonly d: readonly string[];
  readonly m: readonly (readonly [number, number, number])[];
  readonly x: readonly [Tally, CallSums] | null;
  readonly w?: StoredFindings;
}
type StoredStep = readonly [
  texts: readonly number[],
  start: number,
  duration: number,
  position: readonly [number, number, number],
  call: 0 | StoredCall,
  labels: 0 | Readonly<Record<string, string>>,
  links: 0 | readonly (readonly [number, number])[],
  recognisedAt?: number,
];
type StoredCall = readonly [
  role: 0 | 1,
  operation: string | null,
  outcome: 0 | 1,
  tokens: readonly (number | null)[],
  untold: readonly string[],
  estimated: boolean,
  quantities: Readonly<Record<string, number>>,
  reportedCost: string | null,
];
type StoredBooking = readonly [
  texts: readonly number[],
  calls: number,
  tokens: readonly (number | null)[],
  labels: Readonly<Record<string, string>>,
  quantities: Readonly<Record<string, number>>,
  untold: readonly string[],
  estimated: boolean,
];

/** Reads text `serialiseState` wrote. Anything else is a bug or a foreign hand in the table: InvariantError. */
export const parseState = (text: string): LedgerState => {
  const stored = JSON.parse(text) as StoredState;
  assert(stored.v === VERSION, `ledger state of version ${stored.v}`);
  const [tenantId = '', runId = ''] = splitKey(stored.k);
  const at = (index: number): string | null => stored.t[index] ?? null;
  return {
    key: stored.k,
    steps: new Map(stored.e.map((cells) => decodeStep(cells, at)).map((held) => [held.evidence.step_id, held])),
    duplicates: new Set(stored.d),
    books: new Map(
      stored.b.map(([callId, revision, pricing_key, cells, repricedAtMs]) => [
        callId,
        {
          ...(repricedAtMs === undefined ? {} : { repricedAtMs }),
          revision,
          pricing_key,
          booking:
            cells === 0 ? null : decodeBooking(cells, at, { tenant_id: tenantId, run_id: runId, call_id: callId }),
        },
      ]),
    ),
    marks: new Map(stored.m.map(([log, offset, index]) => [at(log) ?? '', { log: at(log) ?? '', offset, index }])),
    spilled: stored.x?.[0] ?? EMPTY_TALLY,
    spilledSums: stored.x?.[1] ?? EMPTY_SUMS,
    findings: readFindings(stored.w),
  };
};

/** `tenant|run_id`: a tenant has no bar in its name. */
export const splitKey = (key: string): readonly [tenantId: string, runId: string] => {
  const bar = key.indexOf('|');
  return [key.slice(0, bar), key.slice(bar + 1)];
};

const fromColumns = <Column extends string, Value>(columns: readonly Column[], value: (at: number) => Value) =>
  Object.fromEntries(columns.map((column, at) => [column, value(at)])) as Record<Column, Value>;

const decodeStep = (cells: StoredStep, at: At): HeldStep => {
  const [texts, start, duration, [log, offset, index], call, labels, links, recognisedAt = 0] = cells;
  const evidence = {
    ...fromColumns(EVIDENCE_TEXTS, (column) => at(texts[column] ?? -1)),
    start_unix_micros: start,
    end_unix_micros: start + duration,
    call: call === 0 ? null : decodeCall(call),
    labels: labels === 0 ? {} : labels,
    links: links === 0 ? [] : links.map(([trace, span]) => ({ trace_id: at(trace) ?? '', span_id: at(span) ?? '' })),
  } as Evidence;
  return { evidence, position: { log: at(log) ?? '', offset, index }, recognisedAt };
};

const decodeCall = (cells: StoredCall): StepCall => {
  const [role, operation, outcome, tokens, untold, estimated, quantities, reported_cost_usd] = cells;
  return {
    role: role === 1 ? 'leaf' : 'wrapper',
    operation,
    outcome: outcome === 1 ? 'ok' : 'failed',
    ...fromColumns(TOKEN_COLUMNS, (column) => tokens[column] ?? null),
    untold,
    estimated,
    quantities,
    reported_cost_usd,
  };
};

const decodeBooking = (
  cells: StoredBooking,
  at: At,
  ids: Pick<CallBooking, 'tenant_id' | 'run_id' | 'call_id'>,
): CallBooking => {
  const [texts, calls, tokens, labels, quantities, untold, estimated] = cells;
  return {
    ...fromColumns(BOOKING_TEXTS, (column) => at(texts[column] ?? -1)),
    ...ids,
    calls,
    ...fromColumns(TOKEN_COLUMNS, (column) => tokens[column] ?? null),
    labels,
    quantities,
    untold,
    estimated,
  } as CallBooking;
};
