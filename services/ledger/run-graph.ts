import type { StepKind } from '../../schemas/step-kinds.ts';
import { type Evidence, isLeaf, type LeafEvidence } from './evidence.ts';

/** Parent chains longer than this are a loop or nonsense. */
const DEPTH_MAX = 1_000;

/** The spans of a run by id, as far as they have come. */
export interface RunGraph {
  /** Evidence by step_id, ascending: every decision walks it in this order. */
  readonly steps: readonly Evidence[];
  /** The span above: for a span its parent, for a log or action the span it happened in. */
  readonly parentOf: (evidence: Evidence) => Evidence | null;
  /** Nearest first, without the step itself; ends at a loop. */
  readonly ancestorsOf: (evidence: Evidence) => readonly Evidence[];
  /** Whether a parent is named that has not come. */
  readonly isOrphan: (evidence: Evidence) => boolean;
}

/** Builds the graph; the order in which evidence came does not matter. */
export const buildRunGraph = (evidence: Iterable<Evidence>): RunGraph => {
  const steps = [...evidence].sort((a, b) => (a.step_id < b.step_id ? -1 : 1));
  const spans = new Map<string, Evidence>();
  for (const step of steps) {
    const key = spanKey(step.trace_id, step.span_id);
    if (step.signal === 'span' && step.span_id !== '' && !spans.has(key)) spans.set(key, step);
  }
  const namedParentOf = (step: Evidence): Evidence | null => {
    const above = spanAbove(step);
    const parent = above === '' ? undefined : spans.get(spanKey(step.trace_id, above));
    return parent === undefined || parent === step ? null : parent;
  };
  const cut = circleTops(spans.values(), namedParentOf);
  const parentOf = (step: Evidence): Evidence | null => (cut.has(step) ? null : namedParentOf(step));
  const ancestorsOf = (step: Evidence): readonly Evidence[] => {
    const chain: Evidence[] = [];
    const seen = new Set<Evidence>([step]);
    for (
      let next = parentOf(step);
      next !== null && !seen.has(next) && chain.length < DEPTH_MAX;
      next = parentOf(next)
    ) {
      chain.push(next);
      seen.add(next);
    }
    return chain;
  };
  return {
    steps,
    parentOf,
    ancestorsOf,
    isOrphan: (step) => spanAbove(step) !== '' && parentOf(step) === null,
  };
};

/**
 * The step with the smallest id of each circle of parents: taken as its top. Left in, a circle would make each of its
 * calls the wrapper of another, and none of them would be booked.
 */
const circleTops = (
  spans: Iterable<Evidence>,
  parentOf: (step: Evidence) => Evidence | null,
): ReadonlySet<Evidence> => {
  const tops = new Set<Evidence>();
  const done = new Set<Evidence>();
  for (const span of spans) {
    const trail: Evidence[] = [];
    const onTrail = new Set<Evidence>();
    let next: Evidence | null = span;
    while (next !== null && !done.has(next) && !onTrail.has(next)) {
      trail.push(next);
      onTrail.add(next);
      next = parentOf(next);
    }
    if (next !== null && onTrail.has(next)) {
      const circle = trail.slice(trail.indexOf(next));
      tops.add(circle.reduce((least, step) => (step.step_id < least.step_id ? step : least)));
    }
    for (const step of trail) done.add(step);
  }
  return tops;
};

/** Id of the span above a step; '' at the top. */
export const spanAbove = (step: Evidence): string =>
  step.signal === 'span' ? step.parent_span_id : step.span_id === '' ? step.parent_span_id : step.span_id;

/** Spans are told apart by trace and span id. */
export const spanKey = (traceId: string, spanId: string): string => `${traceId}|${spanId}`;

/** Below these another piece of work begins: what they contain is not a detail of the call above them. */
const BOUNDARIES: ReadonlySet<StepKind> = new Set(['agent', 'tool', 'delegation']);

/** The leaf call a leaf lies in, if its chain of spans reaches one without entering another agent or a tool. */
export const enclosingLeaf = (graph: RunGraph, leaf: LeafEvidence): LeafEvidence | null => {
  for (const above of graph.ancestorsOf(leaf)) {
    if (isLeaf(above)) return above;
    if (BOUNDARIES.has(above.step_kind)) return null;
  }
  return null;
};
