import type { Evidence } from './evidence.ts';

/** Where a step stands in its run: everything the steps above it decide. */
export interface Place {
  /** Name of the nearest agent above, the step itself not counted; null: none as far as steps have come. */
  readonly agent: string | null;
  /** Name of the tool whose work the step is part of, the step itself not counted; ends at an agent. */
  readonly tool: string | null;
  /** The model call that encloses the step, unless an agent or a tool begins in between. */
  readonly call: Evidence | null;
  /** A step above is named that has not come (or stands in a circle): what is above the top is not known. */
  readonly isLoose: boolean;
}

const TOP: Place = { agent: null, tool: null, call: null, isLoose: false };
const LOOSE: Place = { ...TOP, isLoose: true };

export interface RunTree {
  /** By step id, ascending: every decision walks it in this order. */
  readonly steps: readonly Evidence[];
  readonly placeOf: (step: Evidence) => Place;
  /** The span of these ids, if it has come. */
  readonly spanOf: (traceId: string, spanId: string) => Evidence | null;
}

/** Builds the tree of what has come; the order in which it came does not matter. Takes time in proportion to steps. */
export const buildRunTree = (evidence: Iterable<Evidence>): RunTree => {
  const steps = [...evidence].sort((a, b) => (a.step_id < b.step_id ? -1 : 1));
  const spans = new Map<string, Evidence>();
  for (const step of steps) {
    const key = spanKey(step.trace_id, step.span_id);
    if (step.signal === 'span' && step.span_id !== '' && !spans.has(key)) spans.set(key, step);
  }
  const namedAbove = (step: Evidence): Evidence | null => {
    const above = spanAbove(step);
    const found = above === '' ? undefined : spans.get(spanKey(step.trace_id, above));
    return found === undefined || found === step ? null : found;
  };
  const tops = circleTops(spans.values(), namedAbove);
  const parentOf = (step: Evidence): Evidence | null => (tops.has(step) ? null : namedAbove(step));
  const places = new Map<Evidence, Place>();
  const placeOf = (step: Evidence): Place => {
    // Down from the first ancestor whose place is known: chains can be as long as the run, so there is no recursion.
    const open: Evidence[] = [];
    for (let next: Evidence | null = step; next !== null && !places.has(next); next = parentOf(next)) open.push(next);
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const parent = parentOf(at);
      const above = parent === null ? undefined : places.get(parent);
      places.set(at, parent === null || above === undefined ? topOf(at) : below(parent, above));
    }
    return places.get(step) ?? TOP;
  };
  return { steps, placeOf, spanOf: (traceId, spanId) => spans.get(spanKey(traceId, spanId)) ?? null };
};

const topOf = (step: Evidence): Place => (spanAbove(step) === '' ? TOP : LOOSE);

/** The place of whatever stands directly below `parent`. */
const below = (parent: Evidence, above: Place): Place => {
  const isAgent = parent.step_kind === 'agent';
  const isTool = parent.step_kind === 'tool' || parent.step_kind === 'delegation';
  const call = parent.said?.model?.role === 'leaf' ? parent : above.call;
  return {
    agent: parent.said?.agent?.name ?? above.agent,
    tool: isAgent ? null : (parent.said?.tool?.name ?? above.tool),
    call: isAgent || isTool ? null : call,
    isLoose: above.isLoose,
  };
};

/** The step with the smallest id of each circle of parents: taken as its top. */
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

/** Id of the span above a step: for a span its parent, for a log or action the span it happened in; '' at the top. */
const spanAbove = (step: Evidence): string =>
  step.signal === 'span' ? step.parent_span_id : step.span_id === '' ? step.parent_span_id : step.span_id;

const spanKey = (traceId: string, spanId: string): string => `${traceId}|${spanId}`;
