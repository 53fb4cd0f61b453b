import { createHash } from 'node:crypto';
import type { StepCall } from '../../schemas/agent-step.ts';
import { NO_TOKENS, TOKEN_COLUMNS, type TokenBuckets, type TokenColumn } from '../../schemas/ledger-entry.ts';
import {
  type Evidence,
  hasUsage,
  INPUT_COLUMNS,
  isLeaf,
  isWrapper,
  type LeafEvidence,
  OUTPUT_COLUMNS,
  toldBuckets,
  totalOf,
} from './evidence.ts';
import { adoptedBySteps, type Findings, NO_FINDINGS, spansElsewhere, stepsElsewhere } from './findings.ts';
import { groupCalls } from './groups.ts';
import { enclosingLeaf, type RunGraph } from './run-graph.ts';

/** One call that ought to stand in the books, with the evidence for it. */
export interface DesiredCall {
  readonly call_id: string;
  /** Best first: the first one's word counts, the others fill what it leaves open. */
  readonly ranked: readonly LeafEvidence[];
  readonly calls: number;
  readonly outcome: 'ok' | 'failed';
  readonly tokens: TokenBuckets;
  readonly hasUsage: boolean;
  readonly quantities: Readonly<Record<string, number>>;
  readonly untold: readonly string[];
  readonly estimated: boolean;
  /** A sum over calls that were never told one by one. */
  readonly isAggregate: boolean;
  /** Of the best span, µs; null: none has one. */
  readonly durationMicros: number | null;
}

/** The calls of a run, and those of them that are booked in another run, which has them in their place. */
export interface RunCalls {
  readonly here: readonly DesiredCall[];
  readonly elsewhere: readonly DesiredCall[];
}

/** The model calls of a run, each once, from all evidence so far. Independent of the order in which it came. */
export const desiredCalls = (
  graph: RunGraph,
  tenantId: string,
  runId: string,
  findings: Findings = NO_FINDINGS,
): RunCalls => {
  const lost = stepsElsewhere(findings);
  const calls = allCalls(graph, tenantId, runId, adoptedBySteps(findings));
  const spanned = callsOfSpans(calls, spansElsewhere(findings));
  const { here = [], elsewhere = [] } = Object.groupBy(calls, (call) =>
    spanned.has(call) || call.ranked.some((leaf) => lost.has(leaf.step_id)) ? 'elsewhere' : 'here',
  );
  return { here, elsewhere };
};

/**
 * Calls that a span of another run tells, each span given to one of them: as many as can be served (augmenting paths), for
 * the records of one call may lean on different spans of calls that are all alike.
 */
const callsOfSpans = (
  calls: readonly DesiredCall[],
  spansOf: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<DesiredCall> => {
  const callOf = new Map<string, DesiredCall>();
  if (spansOf.size === 0) return new Set();
  const serve = (call: DesiredCall, tried: Set<string>): boolean => {
    for (const span of call.ranked.flatMap((leaf) => spansOf.get(leaf.step_id) ?? [])) {
      if (tried.has(span)) continue;
      tried.add(span);
      const holder = callOf.get(span);
      if (holder !== undefined && !serve(holder, tried)) continue;
      callOf.set(span, call);
      return true;
    }
    return false;
  };
  for (const call of calls) serve(call, new Set());
  return new Set(callOf.values());
};

const allCalls = (
  graph: RunGraph,
  tenantId: string,
  runId: string,
  adopted: ReadonlyMap<string, readonly LeafEvidence[]>,
): readonly DesiredCall[] => {
  const calls = groupCalls(graph).map((group) => {
    // What another run's span tells of the call counts like a witness of this one; whose call it is, it does not decide.
    const others = group.members.flatMap((member) => adopted.get(member.step_id) ?? []);
    const ranked = rank(graph, [...group.members, ...new Set(others)]);
    return buildCall(tenantId, runId, group.members, ranked, group.calls, group.calls > 1);
  });
  const aggregates = lonelyWrappers(graph).map((wrapper) => {
    const call = buildCall(tenantId, runId, [wrapper], [wrapper], 1, true);
    return { ...call, untold: [...call.untold, 'calls'].sort() };
  });
  return [...calls, ...aggregates];
};

/** A leaf booked by itself, without looking for others that tell of the same call. */
export const singleCall = (tenantId: string, runId: string, leaf: LeafEvidence): DesiredCall =>
  buildCall(tenantId, runId, [leaf], [leaf], 1, false);

/** Stable while the group's smallest step id is: when a smaller one comes, the old call is taken back. */
export const callIdOf = (tenantId: string, runId: string, stepId: string): string =>
  createHash('sha256')
    .update(JSON.stringify([tenantId, runId, stepId]))
    .digest('hex')
    .slice(0, 32);

const buildCall = (
  tenantId: string,
  runId: string,
  members: readonly LeafEvidence[],
  ranked: readonly LeafEvidence[],
  calls: number,
  isAggregate: boolean,
): DesiredCall => {
  const told = ranked.filter((leaf) => hasUsage(leaf.call));
  const input = bestSide(told, INPUT_COLUMNS);
  const output = bestSide(told, OUTPUT_COLUMNS);
  const tokens = mergeSides(input, output);
  return {
    call_id: callIdOf(tenantId, runId, members[0]?.step_id ?? ''),
    ranked,
    calls,
    outcome: outcomeOf(members),
    tokens,
    hasUsage: told.length > 0,
    quantities: told.find((leaf) => Object.keys(leaf.call.quantities).length > 0)?.call.quantities ?? {},
    untold: untoldOf(tokens, input, output, told.length > 0),
    estimated: told[0]?.call.estimated ?? false,
    isAggregate,
    durationMicros: durationOf(ranked),
  };
};

/** A log record is one moment, and so is a span that was never timed. */
const durationOf = (ranked: readonly LeafEvidence[]): number | null => {
  const span = ranked.find((leaf) => leaf.signal === 'span' && leaf.end_unix_micros > leaf.start_unix_micros);
  return span === undefined ? null : span.end_unix_micros - span.start_unix_micros;
};

/** A failure counts when nobody who saw an answer's tokens says otherwise. */
const outcomeOf = (members: readonly LeafEvidence[]): 'ok' | 'failed' => {
  const witnesses = members.filter((leaf) => hasUsage(leaf.call));
  const voices = witnesses.length > 0 ? witnesses : members.filter((leaf) => leaf.call.outcome === 'failed');
  return voices.length > 0 && voices.every((leaf) => leaf.call.outcome === 'failed') ? 'failed' : 'ok';
};

/** Measured before estimated before silent; then more detail, a response id, the span nearest to the wire, the id. */
const rank = (graph: RunGraph, members: readonly LeafEvidence[]): readonly LeafEvidence[] => {
  const score = (leaf: LeafEvidence): readonly number[] => [
    hasUsage(leaf.call) ? (leaf.call.estimated ? 1 : 2) : 0,
    toldBuckets(leaf.call) - leaf.call.untold.length,
    leaf.response_id === null ? 0 : 1,
    graph.ancestorsOf(leaf).length,
  ];
  return members
    .map((leaf) => ({ leaf, score: score(leaf) }))
    .sort((a, b) => compareScores(b.score, a.score) || (a.leaf.step_id < b.leaf.step_id ? -1 : 1))
    .map(({ leaf }) => leaf);
};

const compareScores = (a: readonly number[], b: readonly number[]): number => {
  for (const [at, value] of a.entries()) {
    const difference = value - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

/** The best witness's total stands; among those who agree with it, the finest split is taken. */
const bestSide = (told: readonly LeafEvidence[], columns: readonly TokenColumn[]): StepCall | null => {
  const witness = told.find((leaf) => totalOf(leaf.call, columns) !== null)?.call;
  if (witness === undefined) return null;
  const total = totalOf(witness, columns);
  let best = witness;
  for (const { call } of told) {
    if (call.estimated || totalOf(call, columns) !== total) continue;
    if (splitCount(call, columns) > splitCount(best, columns)) best = call;
  }
  return best;
};

const splitCount = (call: StepCall, columns: readonly TokenColumn[]): number =>
  columns.filter((column) => call[column] !== null).length;

const mergeSides = (input: StepCall | null, output: StepCall | null): TokenBuckets => {
  const tokens: Record<TokenColumn, number | null> = { ...NO_TOKENS };
  for (const column of INPUT_COLUMNS) tokens[column] = input?.[column] ?? null;
  for (const column of OUTPUT_COLUMNS) tokens[column] = output?.[column] ?? null;
  return tokens;
};

const OUTPUT_DETAILS: ReadonlySet<string> = new Set(['reasoning', 'audio_output', 'output']);
const EMBEDDING_OPERATION = /embed/i;

/** Details nobody told; a whole side nobody told is named too, for then the cost leaves it out. */
const untoldOf = (
  tokens: TokenBuckets,
  input: StepCall | null,
  output: StepCall | null,
  isTold: boolean,
): readonly string[] => {
  const told = [
    ...(input?.untold ?? []).filter((name) => !OUTPUT_DETAILS.has(name)),
    ...(output?.untold ?? []).filter((name) => OUTPUT_DETAILS.has(name)),
  ];
  const known = new Set<string>(
    TOKEN_COLUMNS.filter((column) => tokens[column] !== null).map((column) => column.replace('_tokens', '')),
  );
  const isEmbedding = EMBEDDING_OPERATION.test(input?.operation ?? '');
  if (isTold && input === null) told.push('input');
  if (isTold && output === null && !isEmbedding) told.push('output');
  return [...new Set(told)].filter((name) => !known.has(name)).sort();
};

/** Wrappers that tell usage no call below them tells: the only account of those calls there is. */
const lonelyWrappers = (graph: RunGraph): readonly LeafEvidence[] => {
  const told = graph.steps.filter(isWrapper).filter((wrapper) => hasUsage(wrapper.call));
  if (told.length === 0) return [];
  const leaves = graph.steps.filter(isLeaf);
  const covered = new Set<Evidence>();
  for (const step of [...leaves, ...told]) for (const above of graph.ancestorsOf(step)) covered.add(above);
  const loose = leaves.filter(
    (leaf) => isPlaceless(leaf) || [leaf, ...graph.ancestorsOf(leaf)].some((step) => graph.isOrphan(step)),
  );
  return told.filter(
    (wrapper) => !covered.has(wrapper) && !tellsPart(graph, wrapper) && !loose.some((leaf) => couldHold(wrapper, leaf)),
  );
};

/** Inside a call that tells its figures a wrapper can only tell a part of them. */
const tellsPart = (graph: RunGraph, wrapper: LeafEvidence): boolean => {
  const around = enclosingLeaf(graph, wrapper);
  return around !== null && hasUsage(around.call);
};

/** A record outside every span. */
const isPlaceless = (leaf: Evidence): boolean =>
  leaf.signal !== 'span' && leaf.span_id === '' && leaf.parent_span_id === '';

/** A leaf without a place, or with a gap in its chain of parents, may lie in any wrapper that was open at its time. */
const couldHold = (wrapper: Evidence, leaf: Evidence): boolean =>
  (leaf.trace_id === '' || wrapper.trace_id === leaf.trace_id) &&
  leaf.start_unix_micros >= wrapper.start_unix_micros &&
  leaf.start_unix_micros <= wrapper.end_unix_micros;
