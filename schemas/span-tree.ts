import type { Signal } from './step-kinds.ts';

/** What places a step in the tree of its run. */
export interface Placed {
  readonly step_id: string;
  readonly signal: Signal;
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
}

/** The steps of a run as a forest, as far as they have come. */
export interface SpanTree<Step extends Placed> {
  /** By step_id, ascending: every decision walks them in this order. */
  readonly steps: readonly Step[];
  /** The span above: for a span its parent, for a log or action the span it happened in. */
  readonly parentOf: (step: Step) => Step | null;
  /** The span of these ids, if it has come. */
  readonly spanOf: (traceId: string, spanId: string) => Step | null;
  /** Whether a parent is named that has not come, or is cut off because it stands in a circle. */
  readonly isOrphan: (step: Step) => boolean;
  /** Whether its parents, as they are named, lead back to it: what lies in what is then anybody's guess. */
  readonly isInCircle: (step: Step) => boolean;
}

/** Builds the tree; the order in which steps came does not matter. No circle of parents is left in it. */
export const buildSpanTree = <Step extends Placed>(unordered: Iterable<Step>): SpanTree<Step> => {
  const steps = [...unordered].sort((a, b) => (a.step_id < b.step_id ? -1 : 1));
  const spans = new Map<string, Step>();
  for (const step of steps) {
    const key = spanKey(step.trace_id, step.span_id);
    if (step.signal === 'span' && step.span_id !== '' && !spans.has(key)) spans.set(key, step);
  }
  const namedParentOf = (step: Step): Step | null => {
    const above = spanAbove(step);
    const parent = above === '' ? undefined : spans.get(spanKey(step.trace_id, above));
    return parent === undefined || parent === step ? null : parent;
  };
  const { tops, members } = findCircles(spans.values(), namedParentOf);
  const parentOf = (step: Step): Step | null => (tops.has(step) ? null : namedParentOf(step));
  return {
    steps,
    parentOf,
    spanOf: (traceId, spanId) => spans.get(spanKey(traceId, spanId)) ?? null,
    isOrphan: (step) => spanAbove(step) !== '' && parentOf(step) === null,
    isInCircle: (step) => members.has(step),
  };
};

/**
 * Who stands in a circle of parents, and of each the step with the smallest id: taken as its top. Left in, a circle would make each of its
 * calls the wrapper of another, and none of them would be booked.
 */
const findCircles = <Step extends Placed>(
  spans: Iterable<Step>,
  parentOf: (step: Step) => Step | null,
): { readonly tops: ReadonlySet<Step>; readonly members: ReadonlySet<Step> } => {
  const tops = new Set<Step>();
  const members = new Set<Step>();
  const done = new Set<Step>();
  for (const span of spans) {
    const trail: Step[] = [];
    const onTrail = new Set<Step>();
    let next: Step | null = span;
    while (next !== null && !done.has(next) && !onTrail.has(next)) {
      trail.push(next);
      onTrail.add(next);
      next = parentOf(next);
    }
    if (next !== null && onTrail.has(next)) {
      const circle = trail.slice(trail.indexOf(next));
      for (const step of circle) members.add(step);
      tops.add(circle.reduce((least, step) => (step.step_id < least.step_id ? step : least)));
    }
    for (const step of trail) done.add(step);
  }
  return { tops, members };
};

/** Id of the span above a step: for a span its parent, for a log or action the span it happened in; '' at the top. */
export const spanAbove = (step: Placed): string =>
  step.signal === 'span' ? step.parent_span_id : step.span_id === '' ? step.parent_span_id : step.span_id;

/** Spans are told apart by trace and span id. */
export const spanKey = (traceId: string, spanId: string): string => `${traceId}|${spanId}`;
