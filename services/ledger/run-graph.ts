import { buildSpanTree, type SpanTree } from '../../schemas/span-tree.ts';
import type { StepKind } from '../../schemas/step-kinds.ts';
import { settleAccounts, takeOutInner } from './accounts.ts';
import { type Evidence, isLeaf, type LeafEvidence } from './evidence.ts';

/** Parent chains longer than this are nonsense. */
const DEPTH_MAX = 1_000;

/** Below these another piece of work begins: what they contain is not a detail of the call above them. */
const BOUNDARIES: ReadonlySet<StepKind> = new Set(['agent', 'tool', 'delegation']);

/** The spans of a run by id, as far as they have come. */
export interface RunGraph extends Omit<SpanTree<Evidence>, 'spanOf'> {
  /** Nearest first, without the step itself. */
  readonly ancestorsOf: (evidence: Evidence) => readonly Evidence[];
  /** Accounts of calls set aside because another signal of their family is believed; they are not among the steps' calls. */
  readonly repeated: readonly LeafEvidence[];
}

/** Builds the graph, of accounts as their families mean them; the order in which evidence came does not matter. */
export const buildRunGraph = (evidence: Iterable<Evidence>): RunGraph => {
  const { believed, repeated } = settleAccounts(evidence);
  const tree = buildTree(believed);
  const settled = takeOutInner(tree, BOUNDARIES);
  return { ...(settled === null ? tree : buildTree(settled)), repeated };
};

const buildTree = (evidence: Iterable<Evidence>): Omit<RunGraph, 'repeated'> => {
  const { steps, parentOf, isOrphan, isInCircle } = buildSpanTree(evidence);
  const ancestorsOf = (step: Evidence): readonly Evidence[] => {
    const chain: Evidence[] = [];
    for (let next = parentOf(step); next !== null && chain.length < DEPTH_MAX; next = parentOf(next)) chain.push(next);
    return chain;
  };
  return { steps, parentOf, ancestorsOf, isOrphan, isInCircle };
};

/** The leaf call a leaf lies in, if its chain of spans reaches one without entering another agent or a tool. */
export const enclosingLeaf = (graph: RunGraph, leaf: LeafEvidence): LeafEvidence | null => {
  for (const above of graph.ancestorsOf(leaf)) {
    if (isLeaf(above)) return above;
    if (BOUNDARIES.has(above.step_kind)) return null;
  }
  return null;
};

/** The model that the work around a call names, where the call itself names none; not that of another agent or a tool. */
export const modelAround = (graph: RunGraph, leaf: Evidence): string | null => {
  for (const above of graph.ancestorsOf(leaf)) {
    if (BOUNDARIES.has(above.step_kind)) return null;
    const model = above.request_model;
    if (model !== null && model !== '') return model;
  }
  return null;
};
