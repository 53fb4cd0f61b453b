import { buildSpanTree, spanAbove } from '../../schemas/span-tree.ts';
import type { Evidence } from './evidence.ts';

/** Where a step stands in its run: everything the steps above it decide. */
export interface Place {
  /** Name of the nearest agent above, the step itself not counted; null: none as far as steps have come. */
  readonly agent: string | null;
  /** Name of the tool whose work the step is part of, the step itself not counted; ends at an agent. */
  readonly tool: string | null;
  /** The step of that tool: what it took and gave is what passed through the steps below. */
  readonly toolStep: Evidence | null;
  /** The model call that encloses the step, unless an agent or a tool begins in between. */
  readonly call: Evidence | null;
  /** A step above is named that has not come (or stands in a circle): what is above the top is not known. */
  readonly isLoose: boolean;
}

const TOP: Place = { agent: null, tool: null, toolStep: null, call: null, isLoose: false };
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
  const { steps, parentOf, spanOf } = buildSpanTree(evidence);
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
  return { steps, placeOf, spanOf };
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
    toolStep: isAgent ? null : parent.said?.tool ? parent : above.toolStep,
    call: isAgent || isTool ? null : call,
    isLoose: above.isLoose,
  };
};
