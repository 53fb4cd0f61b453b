import type { LineageNode } from '../../schemas/lineage-edge.ts';
import { addEdge, type DesiredEdge, type Edges } from './edges.ts';

/** Steps of one run that are held and judged anew with every batch (design 9: "50,000 steps then summarised"). */
export const STEPS_HELD_MAX = 50_000;
/** Room kept beyond that for steps which say something of lineage: these are worth more than plumbing. */
export const TELLING_RESERVE = 10_000;
/**
 * Characters of the steps held. An ordinary run of 50,000 steps has 10 million; a hostile one could have a gigabyte in
 * them, and a text of more than half of that is none at all: its partition would stand still for ever.
 */
export const STEP_CHARS_MAX = 24 * 1024 * 1024;
/** Edges of one run kept one by one. A graph of more is no picture and no answer; the state stays at some megabytes. */
export const EDGES_MAX = 10_000;
/** Characters of these edges: ordinary ones have 500 each, with the longest names and fields they can have twenty times that. */
export const EDGE_CHARS_MAX = 6 * 1024 * 1024;
/** Edges taken back that are remembered one by one, so that each gets a number of its own when it comes again. */
export const TAKEN_BACK_MAX = 2_000;

export interface LineageLimits {
  readonly stepsMax: number;
  readonly tellingReserve: number;
  readonly stepCharsMax: number;
  readonly edgesMax: number;
  readonly edgeCharsMax: number;
  readonly takenBackMax: number;
}
export const LINEAGE_LIMITS: LineageLimits = {
  stepsMax: STEPS_HELD_MAX,
  tellingReserve: TELLING_RESERVE,
  stepCharsMax: STEP_CHARS_MAX,
  edgesMax: EDGES_MAX,
  edgeCharsMax: EDGE_CHARS_MAX,
  takenBackMax: TAKEN_BACK_MAX,
};

/** Id of the node that stands for all there is of its kind. */
const ANY = '*';

/** The first edges by time, as many as there is room for; for the rest one edge a type from the run to `*`: it may touch anything. */
export const boundEdges = (edges: Edges, runId: string, limits: LineageLimits): Edges => {
  const sizes = [...edges].map(([key, edge]) => charsOfEdge(key, edge));
  if (edges.size <= limits.edgesMax && sizes.reduce((sum, size) => sum + size, 0) <= limits.edgeCharsMax) return edges;
  const inOrder = [...edges].sort(([keyA, a], [keyB, b]) => byTime(a, b) || (keyA < keyB ? -1 : 1));
  const kept = new Map<string, DesiredEdge>();
  const run: LineageNode = { kind: 'run', id: runId };
  let chars = 0;
  let isFull = false;
  for (const [key, edge] of inOrder) {
    chars += charsOfEdge(key, edge);
    // A small one after the first that finds no room is left out too: what is kept is a stretch of time.
    isFull ||= kept.size >= limits.edgesMax || chars > limits.edgeCharsMax;
    if (isFull) addEdge(kept, standIn(edge, run));
    else kept.set(key, edge);
  }
  return kept;
};

const standIn = (edge: DesiredEdge, run: LineageNode): DesiredEdge => ({
  ...edge,
  from: run,
  to: { kind: edge.to.kind, id: ANY },
  from_fields: [],
  to_fields: [],
  flags: ['more'],
});

/** About what the edge takes in a state's text: its key and itself name both ends, and its fields have names too. */
const charsOfEdge = (key: string, edge: DesiredEdge): number =>
  EDGE_FRAME_CHARS + 2 * key.length + charsOfAll(edge.from_fields) + charsOfAll(edge.to_fields);
const EDGE_FRAME_CHARS = 300;
const charsOfAll = (texts: readonly string[]): number => texts.reduce((sum, text) => sum + text.length, 0);

const byTime = (a: DesiredEdge, b: DesiredEdge): number =>
  a.start_unix_micros - b.start_unix_micros || (a.step_id < b.step_id ? -1 : a.step_id > b.step_id ? 1 : 0);
