import type { StepCall } from '../../schemas/agent-step.ts';
import { BELIEVED_SIGNAL, SUMS_INNER } from '../../schemas/family-accounts.ts';
import { TOKEN_COLUMNS, type TokenColumn } from '../../schemas/ledger-entry.ts';
import type { StepKind } from '../../schemas/step-kinds.ts';
import { type Evidence, hasUsage, isLeaf, type LeafEvidence } from './evidence.ts';

/** The evidence of a run, with what only repeats a believed signal told apart. */
export interface Accounts {
  /** Every step; those that only repeat tell of no call any more. */
  readonly believed: readonly Evidence[];
  /** Accounts of calls that another signal of their family tells, as they came; by step_id. */
  readonly repeated: readonly LeafEvidence[];
}

/** Sets accounts aside that their family's believed signal repeats. A function of the set: order does not matter. */
export const settleAccounts = (evidence: Iterable<Evidence>): Accounts => {
  const all = [...evidence];
  const heard = new Set<string>();
  for (const { family, signal } of all) if (BELIEVED_SIGNAL.get(family) === signal) heard.add(family);
  if (heard.size === 0) return { believed: all, repeated: [] };
  const repeated: LeafEvidence[] = [];
  const believed = all.map((step): Evidence => {
    if (step.call === null || !heard.has(step.family) || BELIEVED_SIGNAL.get(step.family) === step.signal) return step;
    repeated.push({ ...step, call: step.call });
    return { ...step, call: null, step_kind: isModelKind(step.step_kind) ? 'other' : step.step_kind };
  });
  return { believed, repeated: repeated.sort((a, b) => (a.step_id < b.step_id ? -1 : 1)) };
};

/** `news` as `settleAccounts` reads them beside what is `known` of their run. */
export const believedAmong = (known: readonly Evidence[], news: readonly Evidence[]): readonly Evidence[] =>
  news.length === 0 ? news : settleAccounts([...known, ...news]).believed.slice(known.length);

const isModelKind = (kind: StepKind): boolean => kind === 'llm' || kind === 'embedding';

/** What parents say of the tree. */
interface Tree {
  readonly steps: readonly Evidence[];
  readonly ancestorsOf: (step: Evidence) => readonly Evidence[];
}

/**
 * Takes out of each account what was told inside it, behind one of the `boundaries` (another agent, a tool), for the
 * families that sum so. Null when there is nothing to take out. An account smaller than what is inside it cannot contain
 * it and stays as it is; one that is wholly made of it is a wrapper.
 */
export const takeOutInner = (tree: Tree, boundaries: ReadonlySet<StepKind>): readonly Evidence[] | null => {
  const summing = tree.steps.filter((step): step is LeafEvidence => SUMS_INNER.has(step.family) && tellsUsage(step));
  if (summing.length < 2) return null;
  const inner = new Map<Evidence, LeafEvidence[]>();
  for (const step of summing) {
    const around = accountAround(tree, step, boundaries);
    if (around !== null) inner.set(around, [...(inner.get(around) ?? []), step]);
  }
  if (inner.size === 0) return null;
  return tree.steps.map((step) => {
    const inside = inner.get(step);
    return inside === undefined || step.call === null ? step : { ...step, call: without(step.call, inside) };
  });
};

const tellsUsage = (step: Evidence): boolean => isLeaf(step) && hasUsage(step.call);

/** The nearest account above that sums; null when none lies behind a boundary: then it tells the same call. */
const accountAround = (tree: Tree, step: Evidence, boundaries: ReadonlySet<StepKind>): Evidence | null => {
  let isBehindBoundary = false;
  for (const above of tree.ancestorsOf(step)) {
    if (SUMS_INNER.has(above.family) && tellsUsage(above)) return isBehindBoundary ? above : null;
    isBehindBoundary ||= boundaries.has(above.step_kind);
  }
  return null;
};

const without = (call: StepCall, inside: readonly LeafEvidence[]): StepCall => {
  const rest: Partial<Record<TokenColumn, number>> = {};
  for (const column of TOKEN_COLUMNS) {
    const own = call[column];
    if (own === null) continue;
    rest[column] = inside.reduce((left, one) => left - (one.call[column] ?? 0), own);
  }
  const figures = Object.values(rest);
  if (figures.some((figure) => figure < 0)) return call;
  return { ...call, ...rest, role: figures.every((figure) => figure === 0) ? 'wrapper' : call.role };
};
