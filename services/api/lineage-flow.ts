import type { ApiContext } from './deps.ts';
import { askInPieces } from './lineage-pieces.ts';
import { nodeText, parseNode, WALK_EDGES_MAX } from './lineage-reads.ts';
import { problem } from './problem.ts';
import type { NodeName } from './queries/lineage.ts';
import { type FlowEdgeRow, type FlowLevel, type FlowPoint, flowQuery, runDataQuery } from './queries/lineage-flow.ts';
import type { TimeRange } from './queries/query.ts';
import { read } from './reads.ts';

/** Queries of one walk: bounds its time whatever the graph looks like. */
const FLOW_QUERIES_MAX = 60;
/** Data sets one run is followed from. */
const SEEDS_MAX = 500;
/** What stands for everything of a kind leads nowhere. */
const ANY = '*';
const MICROS = 1_000;

export interface FlowAsk {
  readonly tenant: string;
  readonly node: NodeName;
  readonly direction: 'up' | 'down';
  readonly depth: number;
  readonly levels: readonly FlowLevel[];
  readonly range: TimeRange;
}

/** How far away a node is, and since when (down) or until when (up) it matters. */
export interface Reached {
  readonly distance: number;
  readonly micros: number;
}

export interface Flow {
  readonly edges: readonly FlowEdgeRow[];
  /** By `KIND:ID`; the nodes asked for are at 0, what a run itself read or wrote at 1. */
  readonly reached: ReadonlyMap<string, Reached>;
  readonly truncated: boolean;
}

interface Walking {
  readonly edges: Map<string, FlowEdgeRow>;
  readonly reached: Map<string, Reached>;
  queries: number;
  truncated: boolean;
}

/**
 * Follows data in time: down, what was written from it after it was there, and so on; up, what it was written from
 * before. A node that is reached again earlier (up: later) is followed again, so that the moments are the true ones.
 */
export const walkFlow = async (context: ApiContext, ask: FlowAsk): Promise<Flow> => {
  const walking: Walking = { edges: new Map(), reached: new Map(), queries: 0, truncated: false };
  let frontier = await seedsOf(context, ask, walking);
  for (let depth = ask.node.kind === 'run' ? 2 : 1; depth <= ask.depth && frontier.length > 0; depth += 1)
    frontier = await nextRound(context, ask, frontier, depth, walking);
  return { edges: [...walking.edges.values()], reached: walking.reached, truncated: walking.truncated };
};

/** Where the walk begins: data itself from the first moment on, or what a run wrote (up: read), from when it did. */
const seedsOf = async (context: ApiContext, ask: FlowAsk, walking: Walking): Promise<readonly FlowPoint[]> => {
  const { node, direction, range, tenant } = ask;
  const edge = direction === 'down' ? range.fromMs * MICROS : range.toMs * MICROS;
  walking.reached.set(nodeText(node), { distance: 0, micros: edge });
  if (node.kind === 'dataset' || node.kind === 'file' || node.kind === 'host') return [{ ...node, micros: edge }];
  if (node.kind !== 'run') {
    throw problem(400, 'node: data flows from a run, dataset, file or host', { parameter: 'node' });
  }
  const way = direction === 'down' ? 'writes' : 'reads';
  const rows = await read<NodeName & { readonly first: number; readonly last: number }>(
    context,
    runDataQuery({ tenant, runId: node.id, way, limit: SEEDS_MAX }),
  );
  if (rows.length > SEEDS_MAX) walking.truncated = true;
  const seeds = rows
    .slice(0, SEEDS_MAX)
    .map(({ kind, id, first, last }) => ({ kind, id, micros: direction === 'down' ? first : last }));
  for (const seed of seeds) walking.reached.set(nodeText(seed), { distance: 1, micros: seed.micros });
  return seeds.filter(({ id }) => id !== ANY);
};

const nextRound = async (
  context: ApiContext,
  ask: FlowAsk,
  frontier: readonly FlowPoint[],
  depth: number,
  walking: Walking,
): Promise<readonly FlowPoint[]> => {
  const next = new Map<string, FlowPoint>();
  const edges = await askInPieces(
    frontier,
    () => WALK_EDGES_MAX - walking.edges.size,
    (points) => askFlow(context, ask, points, walking),
  );
  for (const edge of edges) {
    const far = farEnd(edge, ask.direction);
    const key = nodeText(far);
    const known = walking.reached.get(key);
    if (known !== undefined && !isBetter(far.micros, known.micros, ask.direction)) continue;
    walking.reached.set(key, { distance: known?.distance ?? depth, micros: far.micros });
    if (far.id !== ANY) next.set(key, far);
  }
  return [...next.values()];
};

const farEnd = (edge: FlowEdgeRow, direction: 'up' | 'down'): FlowPoint =>
  direction === 'down'
    ? { kind: edge.to_kind, id: edge.to_id, micros: edge.times[0] ?? 0 }
    : { kind: edge.from_kind, id: edge.from_id, micros: edge.times.at(-1) ?? 0 };

const isBetter = (micros: number, known: number, direction: 'up' | 'down'): boolean =>
  direction === 'down' ? micros < known : micros > known;

const askFlow = async (
  context: ApiContext,
  { tenant, direction, levels, range }: FlowAsk,
  points: readonly FlowPoint[],
  walking: Walking,
): Promise<readonly FlowEdgeRow[] | null> => {
  const room = WALK_EDGES_MAX - walking.edges.size;
  if (room <= 0 || walking.queries >= FLOW_QUERIES_MAX) {
    walking.truncated = true;
    return null;
  }
  walking.queries += 1;
  const found = await read<FlowEdgeRow>(context, flowQuery({ tenant, direction, points, levels, range, limit: room }));
  if (found.length > room) walking.truncated = true;
  const kept = found.slice(0, room);
  for (const edge of kept) walking.edges.set(flowKey(edge), edge);
  return kept;
};

const flowKey = ({ from_kind, from_id, to_kind, to_id }: FlowEdgeRow): string =>
  JSON.stringify([from_kind, from_id, to_kind, to_id]);

/** One way data may have gone: nodes in order, with the moment it arrived at each. */
export interface FlowPath {
  readonly nodes: readonly NodeName[];
  readonly edges: readonly FlowEdgeRow[];
  /** The weakest of its edges: a way is as well known as that. */
  readonly evidence_level: FlowLevel;
  readonly micros: readonly number[];
}

/** Ways looked at before a search gives up: of a dense graph there are more than anyone can read. */
const TRIES_MAX = 20_000;
const LEVELS: readonly FlowLevel[] = ['order', 'context', 'value'];

/**
 * Ways from where a walk began to a node, the shortest first, each in time: an edge is taken at its first moment at or
 * after the arrival. `isCut`: there are more than asked for, or than were looked at.
 */
export const pathsTo = (
  flow: Flow,
  from: NodeName,
  to: NodeName,
  depth: number,
  pathsMax: number,
): { readonly paths: readonly FlowPath[]; readonly isCut: boolean } => {
  const below = Map.groupBy(flow.edges, (edge) => nodeText({ kind: edge.from_kind, id: edge.from_id }));
  const starts = [...flow.reached].filter(([, { distance }]) => distance === (from.kind === 'run' ? 1 : 0));
  let open: readonly FlowPath[] = starts.map(([key, { micros }]) => startOf(from, parseNode(key), micros));
  const goal = nodeText(to);
  const paths: FlowPath[] = open.filter((path) => lastOf(path) === goal && path.nodes.length > 1);
  let tries = 0;
  for (let length = from.kind === 'run' ? 2 : 1; length <= depth && open.length > 0; length += 1) {
    const next = open.flatMap((path) => {
      tries += 1;
      return tries > TRIES_MAX ? [] : (below.get(lastOf(path)) ?? []).flatMap((edge) => extended(path, edge));
    });
    paths.push(...next.filter((path) => lastOf(path) === goal));
    open = next.filter((path) => lastOf(path) !== goal);
  }
  return { paths: paths.slice(0, pathsMax), isCut: paths.length > pathsMax || tries > TRIES_MAX };
};

const startOf = (from: NodeName, first: NodeName, micros: number): FlowPath =>
  from.kind === 'run'
    ? { nodes: [from, first], edges: [], evidence_level: 'value', micros: [micros, micros] }
    : { nodes: [first], edges: [], evidence_level: 'value', micros: [micros] };

const lastOf = ({ nodes }: FlowPath): string => nodeText(nodes.at(-1) ?? { kind: 'run', id: '' });

const extended = (path: FlowPath, edge: FlowEdgeRow): readonly FlowPath[] => {
  const node = { kind: edge.to_kind, id: edge.to_id };
  const arrival = edge.times.find((micros) => micros >= (path.micros.at(-1) ?? 0));
  const isVisited = path.nodes.some((known) => nodeText(known) === nodeText(node));
  if (arrival === undefined || isVisited || node.id === ANY) return [];
  const isWeaker = LEVELS.indexOf(edge.evidence_level) < LEVELS.indexOf(path.evidence_level);
  return [
    {
      nodes: [...path.nodes, node],
      edges: [...path.edges, edge],
      evidence_level: isWeaker ? edge.evidence_level : path.evidence_level,
      micros: [...path.micros, arrival],
    },
  ];
};
