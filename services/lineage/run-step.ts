import type { AgentStep } from '../../schemas/agent-step.ts';
import type { LineageNode } from '../../schemas/lineage-edge.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { TableRows } from '../runtime/stream/types.ts';
import { addEdge, type DesiredEdge, desiredEdges, type Edges } from './desired.ts';
import { setDifference } from './edge-rows.ts';
import { type Evidence, evidenceOf, preferCopy } from './evidence.ts';
import { type LineageState, splitKey } from './state.ts';

/** Steps of one run that are held and judged anew with every batch (design 9: "50,000 steps then summarised"). */
export const STEPS_HELD_MAX = 50_000;
/** Room kept beyond that for steps which say something of lineage: these are worth more than plumbing. */
export const TELLING_RESERVE = 10_000;
/** Edges of one run kept one by one. A graph of more is no picture and no answer; the state stays at some megabytes. */
export const EDGES_MAX = 10_000;

export interface LineageLimits {
  readonly stepsMax: number;
  readonly tellingReserve: number;
  readonly edgesMax: number;
}
export const LINEAGE_LIMITS: LineageLimits = {
  stepsMax: STEPS_HELD_MAX,
  tellingReserve: TELLING_RESERVE,
  edgesMax: EDGES_MAX,
};

/** The batch a fold is stepping through; the same at every replay. */
export interface StepContext {
  readonly batchId: string;
  /** Log time: the only clock a row gets. */
  readonly loggedAtMs: number;
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
  const { steps, beyond } = takeIn(state.steps, inputs, limits);
  const spilled = spill(state.spilled, runId, steps, beyond, limits);
  const desired = bounded(joined(desiredEdges(runId, steps.values()), spilled), runId, limits.edgesMax);
  const moment = { tenantId, runId, batchId: context.batchId, at: utcMillis(context.loggedAtMs) };
  const { rows, set } = setDifference(state.set, desired, moment);
  return {
    state: { key: state.key, steps, set, spilled },
    tables: [{ table: 'lineage_edges', identity: ['edge_id'], rows: rows.map((row) => ({ ...row })) }],
  };
};

const takeIn = (held: LineageState['steps'], inputs: readonly AgentStep[], limits: LineageLimits) => {
  const steps = new Map(held);
  const beyond = new Map<string, Evidence>();
  for (const input of inputs) {
    const evidence = evidenceOf(input);
    const known = steps.get(evidence.step_id);
    const room = limits.stepsMax + (evidence.said === null ? 0 : limits.tellingReserve);
    if (known !== undefined) steps.set(evidence.step_id, preferCopy(known, evidence));
    else if (steps.size < room) steps.set(evidence.step_id, evidence);
    else beyond.set(evidence.step_id, evidence);
  }
  return { steps, beyond };
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
  return bounded(edges, runId, limits.edgesMax);
};

const joined = (a: Edges, b: Edges): Edges => {
  if (b.size === 0) return a;
  const edges = new Map(a);
  for (const edge of b.values()) addEdge(edges, edge);
  return edges;
};

/** Id of the node that stands for all there is of its kind. */
const ANY = '*';

/** The first `edgesMax` edges by time; for the rest one edge a type from the run to `*`: it may touch anything. */
const bounded = (edges: Edges, runId: string, edgesMax: number): Edges => {
  if (edges.size <= edgesMax) return edges;
  const inOrder = [...edges].sort(([keyA, a], [keyB, b]) => byTime(a, b) || (keyA < keyB ? -1 : 1));
  const kept = new Map(inOrder.slice(0, edgesMax));
  const run: LineageNode = { kind: 'run', id: runId };
  for (const [, edge] of inOrder.slice(edgesMax)) {
    addEdge(kept, {
      ...edge,
      from: run,
      to: { kind: edge.to.kind, id: ANY },
      from_fields: [],
      to_fields: [],
      flags: ['more'],
    });
  }
  return kept;
};

const byTime = (a: DesiredEdge, b: DesiredEdge): number =>
  a.start_unix_micros - b.start_unix_micros || (a.step_id < b.step_id ? -1 : a.step_id > b.step_id ? 1 : 0);
