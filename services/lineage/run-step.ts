import type { AgentStep } from '../../schemas/agent-step.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { TableRows } from '../runtime/stream/types.ts';
import { desiredEdges } from './desired.ts';
import { setDifference } from './edge-rows.ts';
import { addEdge, type Edges } from './edges.ts';
import { charsOf, type Evidence, evidenceOf, preferCopy } from './evidence.ts';
import { boundEdges, LINEAGE_LIMITS, type LineageLimits } from './limits.ts';
import { type LineageState, splitKey } from './state.ts';
import type { ToolCatalogue } from './tool-catalogue.ts';

/** The batch a fold is stepping through; the same at every replay. */
export interface StepContext {
  readonly batchId: string;
  /** Log time: the only clock a row gets. */
  readonly loggedAtMs: number;
  /** What tools are said to touch; absent: nothing is said of any. */
  readonly tools?: ToolCatalogue | undefined;
}

/**
 * Takes in steps of one run and brings its edges up to date: desired(evidence) − set. Pure. As long as a run is within
 * the limits, the edges in force depend on the set of its steps alone.
 */
export const stepRun = (
  state: LineageState,
  inputs: readonly AgentStep[],
  context: StepContext,
  limits: LineageLimits = LINEAGE_LIMITS,
): { readonly state: LineageState; readonly tables: readonly TableRows[] } => {
  const [tenantId, runId] = splitKey(state.key);
  const { steps, chars, beyond } = takeIn(state, inputs, context.tools, limits);
  const spilled = spill(state.spilled, runId, steps, beyond, limits);
  const desired = boundEdges(joined(desiredEdges(runId, steps.values()), spilled), runId, limits);
  const moment = { tenantId, runId, batchId: context.batchId, at: utcMillis(context.loggedAtMs) };
  const { rows, set, floor } = setDifference(state, desired, moment, limits.takenBackMax);
  return {
    state: { key: state.key, steps, chars, set, floor, spilled, tools: context.tools?.hash ?? state.tools },
    tables: [{ table: 'lineage_edges', identity: ['edge_id'], rows: rows.map((row) => ({ ...row })) }],
  };
};

const takeIn = (
  held: LineageState,
  inputs: readonly AgentStep[],
  tools: ToolCatalogue | undefined,
  limits: LineageLimits,
) => {
  const steps = new Map(held.steps);
  let chars = held.chars;
  const beyond = new Map<string, Evidence>();
  for (const input of inputs) {
    const evidence = evidenceOf(input, tools?.touchesOf(input));
    const known = steps.get(evidence.step_id);
    const room = limits.stepsMax + (evidence.said === null ? 0 : limits.tellingReserve);
    const kept = known === undefined ? evidence : preferCopy(known, evidence);
    const grown = chars + charsOf(kept) - (known === undefined ? 0 : charsOf(known));
    if (known === undefined && (steps.size >= room || grown > limits.stepCharsMax)) {
      beyond.set(evidence.step_id, evidence);
      continue;
    }
    steps.set(evidence.step_id, kept);
    chars = grown;
  }
  return { steps, chars, beyond };
};

/**
 * Steps beyond what is held are judged once, by what is known now, and their edges stay: more than is true perhaps,
 * never less, and marked. A redelivery of such a step says the same again.
 */
const spill = (
  known: Edges,
  runId: string,
  held: LineageState['steps'],
  beyond: ReadonlyMap<string, Evidence>,
  limits: LineageLimits,
): Edges => {
  if (beyond.size === 0) return known;
  const judged = desiredEdges(runId, [...held.values(), ...beyond.values()], new Set(beyond.values()));
  const edges = new Map(known);
  for (const edge of judged.values()) addEdge(edges, { ...edge, flags: ['summarised', ...edge.flags] });
  return boundEdges(edges, runId, limits);
};

const joined = (a: Edges, b: Edges): Edges => {
  if (b.size === 0) return a;
  const edges = new Map(a);
  for (const edge of b.values()) addEdge(edges, edge);
  return edges;
};
