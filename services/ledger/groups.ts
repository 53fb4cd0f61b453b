import { spanAbove, spanKey } from '../../schemas/span-tree.ts';
import {
  areSilentTwins,
  doOverlap,
  haveDifferentIds,
  haveSameFigures,
  haveSameModel,
  isOneEstimated,
  isOneInside,
  isTold,
  voiceOf,
} from './call-match.ts';
import { hasUsage, inputTotal, isLeaf, type LeafEvidence, outputTotal } from './evidence.ts';
import { enclosingLeaf, type RunGraph } from './run-graph.ts';

/** One model call with everything that describes it. */
export interface CallGroup {
  /** At least one, ascending by step_id. */
  readonly members: readonly LeafEvidence[];
  /** Calls it stands for: 1, or the number of silent calls below a step that tells their sum. */
  readonly calls: number;
}

/** Neighbours in time a step is compared with at most: keeps a loop of thousands of siblings linear. */
const NEIGHBOURS_MAX = 64;

interface Pair {
  readonly a: LeafEvidence;
  readonly b: LeafEvidence;
  /** 0: one lies in the other; 1: side by side; 2: elsewhere in the run. */
  readonly distance: number;
}

/**
 * Sorts the leaf evidence of a run into model calls. Rules in order of their strength, each over the whole run, so that
 * the result depends on the evidence alone and not on its order:
 * a log record belongs to the call of its span; equal response ids are one call; a call inside a call, or two calls
 * side by side from different instrumentations, with equal figures are one; a call without figures around calls is
 * their wrapper.
 */
export const groupCalls = (graph: RunGraph): readonly CallGroup[] => {
  const leaves = graph.steps.filter(isLeaf);
  const sets = createSets(leaves);
  joinLogsToSpans(leaves, sets);
  joinResponseIds(leaves, sets);
  const enclosing = new Map(leaves.map((leaf) => [leaf, enclosingLeaf(graph, leaf)] as const));
  const pairs = [...nestedPairs(enclosing), ...siblingPairs(leaves, enclosing)];
  for (const { a, b, distance } of pairs.sort(comparePairs)) sets.joinIfCompatible(a, b, distance === 0);
  return foldWrappers(sets, enclosing, graph.isInCircle);
};

// ------------------------------------------------------------- sets of evidence

interface Sets {
  readonly join: (a: LeafEvidence, b: LeafEvidence) => void;
  /** Joins unless response ids disagree or, side by side, one voice would then tell the call twice. */
  readonly joinIfCompatible: (a: LeafEvidence, b: LeafEvidence, areNested: boolean) => void;
  readonly membersOf: (leaf: LeafEvidence) => readonly LeafEvidence[];
  readonly all: () => readonly (readonly LeafEvidence[])[];
}

const createSets = (leaves: readonly LeafEvidence[]): Sets => {
  const setOf = new Map<LeafEvidence, LeafEvidence[]>(leaves.map((leaf) => [leaf, [leaf]]));
  const membersOf = (leaf: LeafEvidence): LeafEvidence[] => setOf.get(leaf) ?? [leaf];
  const join = (a: LeafEvidence, b: LeafEvidence): void => {
    const left = membersOf(a);
    const right = membersOf(b);
    if (left === right) return;
    left.push(...right);
    for (const leaf of right) setOf.set(leaf, left);
  };
  return {
    join,
    joinIfCompatible: (a, b, areNested) => {
      const left = membersOf(a);
      const right = membersOf(b);
      const isClash = left.some((one) =>
        right.some((other) => haveDifferentIds(one, other) || (!areNested && voiceOf(one) === voiceOf(other))),
      );
      if (!isClash) join(a, b);
    },
    membersOf,
    all: () => [...new Set(setOf.values())].map((members) => members.sort((a, b) => (a.step_id < b.step_id ? -1 : 1))),
  };
};

// ------------------------------------------------------------------------ rules

const joinLogsToSpans = (leaves: readonly LeafEvidence[], sets: Sets): void => {
  const spans = new Map<string, LeafEvidence>();
  for (const leaf of leaves) {
    if (leaf.signal === 'span' && leaf.span_id !== '') spans.set(spanKey(leaf.trace_id, leaf.span_id), leaf);
  }
  for (const leaf of leaves) {
    if (leaf.signal === 'span' || leaf.span_id === '') continue;
    const span = spans.get(spanKey(leaf.trace_id, leaf.span_id));
    if (span === undefined) continue;
    if (!sets.membersOf(span).some((member) => haveDifferentIds(member, leaf))) sets.join(span, leaf);
  }
};

const joinResponseIds = (leaves: readonly LeafEvidence[], sets: Sets): void => {
  const first = new Map<string, LeafEvidence>();
  for (const leaf of leaves) {
    if (!isTold(leaf.response_id)) continue;
    const known = first.get(leaf.response_id);
    if (known === undefined) first.set(leaf.response_id, leaf);
    else sets.join(known, leaf);
  }
};

type Enclosing = ReadonlyMap<LeafEvidence, LeafEvidence | null>;

/** A call inside a call with the same figures (embedding outer and inner; an SDK's own span inside another's). */
const nestedPairs = (enclosing: Enclosing): readonly Pair[] => {
  const pairs: Pair[] = [];
  for (const [inner, outer] of enclosing) {
    if (outer === null || !haveSameModel(inner, outer)) continue;
    const isEqual = haveSameFigures(inner, outer) || (isOneEstimated(inner, outer) && doOverlap(inner, outer));
    if (isEqual) pairs.push({ a: inner, b: outer, distance: 0 });
  }
  return pairs;
};

/**
 * Two instrumentations side by side. Below one parent (or log records of one span) overlapping times will do; anywhere
 * else in the run one must lie within the other's time, for an SDK's own span often hangs higher than the framework's.
 */
const siblingPairs = (leaves: readonly LeafEvidence[], enclosing: Enclosing): readonly Pair[] => {
  const siblings = Map.groupBy(leaves, (leaf) => spanKey(leaf.trace_id, spanAbove(leaf)));
  const equals = Map.groupBy(
    leaves.filter((leaf) => (outputTotal(leaf.call) ?? 0) > 0),
    (leaf) => outputTotal(leaf.call),
  );
  return [
    ...[...siblings.values()].flatMap((family) => pairsWithin(family, enclosing, areSiblingTwins, 1)),
    ...[...equals.values()].flatMap((family) => pairsWithin(family, enclosing, areDistantTwins, 2)),
  ];
};

const pairsWithin = (
  family: readonly LeafEvidence[],
  enclosing: Enclosing,
  areTwins: (a: LeafEvidence, b: LeafEvidence) => boolean,
  distance: number,
): readonly Pair[] => {
  if (family.length < 2) return [];
  const byTime = [...family].sort(
    (a, b) => a.start_unix_micros - b.start_unix_micros || (a.step_id < b.step_id ? -1 : 1),
  );
  const pairs: Pair[] = [];
  for (const [at, a] of byTime.entries()) {
    for (const b of byTime.slice(at + 1, at + 1 + NEIGHBOURS_MAX)) {
      if (enclosing.get(a) === b || enclosing.get(b) === a) continue;
      if (areTwins(a, b)) pairs.push({ a, b, distance });
    }
  }
  return pairs;
};

const areSiblingTwins = (a: LeafEvidence, b: LeafEvidence): boolean =>
  voiceOf(a) !== voiceOf(b) &&
  doOverlap(a, b) &&
  haveSameModel(a, b) &&
  (haveSameFigures(a, b) || areSilentTwins(a, b));

const areDistantTwins = (a: LeafEvidence, b: LeafEvidence): boolean =>
  voiceOf(a) !== voiceOf(b) && isOneInside(a, b) && haveSameModel(a, b) && haveSameFigures(a, b);

const comparePairs = (x: Pair, y: Pair): number => {
  const gap = (pair: Pair): number => Math.abs(pair.a.start_unix_micros - pair.b.start_unix_micros);
  const ids = (pair: Pair): string => [pair.a.step_id, pair.b.step_id].sort().join();
  return x.distance - y.distance || gap(x) - gap(y) || (ids(x) < ids(y) ? -1 : 1);
};

// --------------------------------------------------------------------- wrappers

/** What a set of evidence says as a whole, for comparing it with the calls inside it. */
interface Told {
  readonly members: readonly LeafEvidence[];
  readonly hasUsage: boolean;
  readonly isFailed: boolean;
}

const toldOf = (members: readonly LeafEvidence[]): Told => ({
  members,
  hasUsage: members.some((leaf) => hasUsage(leaf.call)),
  isFailed: members.every((leaf) => leaf.call.outcome === 'failed'),
});

/** Decides between a call and the calls inside it: which of the two is booked, never both for the same tokens. */
const foldWrappers = (sets: Sets, enclosing: Enclosing, isInCircle: RunGraph['isInCircle']): readonly CallGroup[] => {
  const told = new Map(sets.all().map((members) => [members, toldOf(members)] as const));
  const inner = new Map<Told, Set<Told>>();
  for (const [leaf, outer] of enclosing) {
    if (outer === null) continue;
    const own = told.get(sets.membersOf(leaf));
    const around = told.get(sets.membersOf(outer));
    if (own === undefined || around === undefined || own === around) continue;
    inner.set(around, (inner.get(around) ?? new Set()).add(own));
  }
  const absorbed = new Set<Told>();
  const calls = new Map<Told, number>();
  for (const [around, inside] of inner) {
    const verdict = judge(around, [...inside], around.members.some(isInCircle));
    if (verdict.kind === 'outer is wrapper') absorbed.add(around);
    if (verdict.kind === 'inner are silent') {
      for (const one of verdict.silent) absorbed.add(one);
      calls.set(around, verdict.silent.length);
    }
  }
  return [...told.values()]
    .filter((one) => !absorbed.has(one))
    .map((one) => ({ members: one.members, calls: calls.get(one) ?? 1 }));
};

type Verdict =
  | { readonly kind: 'separate' }
  | { readonly kind: 'outer is wrapper' }
  | { readonly kind: 'inner are silent'; readonly silent: readonly Told[] };

const judge = (outer: Told, inside: readonly Told[], isInCircle: boolean): Verdict => {
  if (!outer.hasUsage) {
    // Only failed attempts inside a call that went well: that call has no span of its own, the outer one stands for it.
    const isOnlyAttempts = !outer.isFailed && inside.every((one) => one.isFailed);
    return isOnlyAttempts ? { kind: 'separate' } : { kind: 'outer is wrapper' };
  }
  const told = inside.filter((one) => one.hasUsage);
  if (told.length > 0 && isSum(outer, told)) return { kind: 'outer is wrapper' };
  if (told.length > 0)
    return !isInCircle && maySumMore(outer, told) ? { kind: 'outer is wrapper' } : { kind: 'separate' };
  const silent = inside.filter((one) => !one.hasUsage && !one.isFailed);
  return silent.length > 0 ? { kind: 'inner are silent', silent } : { kind: 'separate' };
};

/**
 * Whether the outer one may be the sum of what is told inside it and of calls inside it that tell nothing, or of which no
 * span came: these stay unknown, for their share is a guess. A call that goes on inside itself has a longer prompt there;
 * one of another model, or with an answer of its own, is a call beside those inside it. In a circle of parents nobody knows
 * which is the outer one.
 */
const maySumMore = (outer: Told, told: readonly Told[]): boolean => {
  const [own, sum] = [figuresOf(outer), sumOf(told)];
  const some = (of: Told, isSo: (leaf: LeafEvidence, one: LeafEvidence) => boolean): boolean =>
    outer.members.some((leaf) => of.members.some((one) => isSo(leaf, one)));
  return (
    own.input >= sum.input &&
    own.output >= sum.output &&
    told.some((one) => some(one, haveSameModel)) &&
    !told.every((one) => some(one, haveDifferentIds))
  );
};

const isSum = (outer: Told, inside: readonly Told[]): boolean => {
  const [own, sum] = [figuresOf(outer), sumOf(inside)];
  const [only, ...others] = inside;
  const areOtherCalls =
    others.length === 0 &&
    outer.members.some((leaf) => only?.members.some((one) => haveDifferentIds(leaf, one)) ?? false);
  return !areOtherCalls && own.input + own.output > 0 && own.input === sum.input && own.output === sum.output;
};

const sumOf = (told: readonly Told[]): ReturnType<typeof figuresOf> =>
  told
    .map(figuresOf)
    .reduce((sum, one) => ({ input: sum.input + one.input, output: sum.output + one.output }), { input: 0, output: 0 });

const figuresOf = ({ members }: Told): { readonly input: number; readonly output: number } => ({
  input: Math.max(...members.map((leaf) => inputTotal(leaf.call) ?? 0)),
  output: Math.max(...members.map((leaf) => outputTotal(leaf.call) ?? 0)),
});
