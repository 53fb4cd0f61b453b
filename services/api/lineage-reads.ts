import { NODE_KINDS, type NodeKind } from '../../schemas/lineage-edge.ts';
import type { ApiContext } from './deps.ts';
import { askInPieces } from './lineage-pieces.ts';
import { problem } from './problem.ts';
import {
  type EdgeRow,
  type LineageGapsRow,
  lineageGapsQuery,
  type NodeName,
  neighboursQuery,
  nodeTenantsQuery,
  type RunEdgeRow,
  runEdgesQuery,
} from './queries/lineage.ts';
import type { TimeRange } from './queries/query.ts';
import { read } from './reads.ts';

/** Edges one walk gathers. A picture of more is no answer, and each is a row of the store. */
export const WALK_EDGES_MAX = 2_000;
export const WALK_DEPTH_MAX = 10;
/** Queries of one walk: bounds its time whatever the graph looks like. */
const WALK_QUERIES_MAX = 60;
/** What stands for everything of a kind leads nowhere. */
const ANY = '*';

/** `KIND:ID`; the id may hold anything, colons too. Throws 400 for another kind or no id. */
export const parseNode = (text: string): NodeName => {
  const colon = text.indexOf(':');
  const kind = NODE_KINDS.find((known) => known === text.slice(0, colon));
  const id = text.slice(colon + 1);
  if (colon > 0 && kind !== undefined && id !== '') return { kind, id };
  throw problem(400, `node: KIND:ID, where KIND is one of ${NODE_KINDS.join(', ')}`, { parameter: 'node' });
};

/** `KIND:ID` of a node. */
export const nodeText = ({ kind, id }: NodeName): string => `${kind}:${id}`;

export interface RunLineage {
  readonly edges: readonly RunEdgeRow[];
  /** More edges are stored than were asked for. */
  readonly truncated: boolean;
  readonly gaps: LineageGapsRow;
}

const NO_GAPS: LineageGapsRow = {
  steps: 0,
  orphans: 0,
  agents_without_name: 0,
  calls_without_model: 0,
  data_without_name: 0,
  steps_with_user: 0,
};

/** The edges of a run and what its telemetry left out. */
export const readRunLineage = async (
  context: ApiContext,
  tenant: string,
  runId: string,
  limit: number,
): Promise<RunLineage> => {
  const [edges, gaps] = await Promise.all([
    read<RunEdgeRow>(context, runEdgesQuery({ tenant, runId, limit })),
    read<LineageGapsRow>(context, lineageGapsQuery({ tenant, runId })),
  ]);
  return { edges: edges.slice(0, limit), truncated: edges.length > limit, gaps: gaps[0] ?? NO_GAPS };
};

/** A node with what the edges say of it. */
export interface GraphNode extends NodeName {
  readonly fields: readonly string[];
}

/** Every node of some edges, each once, its fields joined, in order of kind and id. */
export const nodesOf = (edges: readonly RunEdgeRow[]): readonly GraphNode[] => {
  const nodes = new Map<string, { readonly kind: NodeKind; readonly id: string; readonly fields: Set<string> }>();
  const add = (kind: NodeKind, id: string, fields: readonly string[]): void => {
    const key = nodeText({ kind, id });
    const known = nodes.get(key) ?? { kind, id, fields: new Set<string>() };
    for (const field of fields) known.fields.add(field);
    nodes.set(key, known);
  };
  for (const edge of edges) {
    add(edge.from_kind, edge.from_id, edge.from_fields);
    add(edge.to_kind, edge.to_id, edge.to_fields);
  }
  const order = (kind: NodeKind): number => NODE_KINDS.indexOf(kind);
  return [...nodes.values()]
    .sort((a, b) => order(a.kind) - order(b.kind) || (a.id < b.id ? -1 : 1))
    .map(({ kind, id, fields }) => ({ kind, id, fields: [...fields].sort() }));
};

/** Tenants in whose edges of the range a node stands. */
export const readNodeTenants = (
  context: ApiContext,
  tenant: string | null,
  node: NodeName,
  range: TimeRange,
): Promise<readonly { readonly tenant_id: string }[]> =>
  read<{ tenant_id: string }>(context, nodeTenantsQuery({ tenant, node, range }));

export interface WalkAsk {
  readonly tenant: string;
  readonly node: NodeName;
  readonly direction: 'up' | 'down' | 'both';
  readonly depth: number;
  readonly range: TimeRange;
}

export interface Walk {
  readonly edges: readonly EdgeRow[];
  /** Steps away from the node asked for, by `KIND:ID`; negative: up. */
  readonly distances: ReadonlyMap<string, number>;
  /** There is more within the depth asked for than was gathered. */
  readonly truncated: boolean;
}

/**
 * Walks the edges from a node: down to what it calls, uses and touches, up to what does so with it. Round by round, each
 * node once; up and down each go one way only, so that a walk does not turn back into everything.
 */
export const walkLineage = async (context: ApiContext, ask: WalkAsk): Promise<Walk> => {
  const gathered: Gathered = {
    edges: new Map(),
    distances: new Map([[nodeText(ask.node), 0]]),
    budget: { queries: WALK_QUERIES_MAX, truncated: false },
  };
  for (const direction of ask.direction === 'both' ? (['up', 'down'] as const) : [ask.direction])
    await walkOneWay(context, ask, direction, gathered);
  return {
    edges: [...gathered.edges.values()],
    distances: gathered.distances,
    truncated: gathered.budget.truncated,
  };
};

interface Gathered {
  readonly edges: Map<string, EdgeRow>;
  readonly distances: Map<string, number>;
  readonly budget: { queries: number; truncated: boolean };
}

const walkOneWay = async (
  context: ApiContext,
  ask: WalkAsk,
  direction: 'up' | 'down',
  gathered: Gathered,
): Promise<void> => {
  const seen = new Set([nodeText(ask.node)]);
  let frontier: readonly NodeName[] = [ask.node];
  for (let depth = 1; depth <= ask.depth && frontier.length > 0; depth += 1) {
    const reached = await nextRound(context, ask, direction, frontier, gathered);
    const fresh = [...reached].filter(([key]) => !seen.has(key));
    for (const [key] of fresh) {
      seen.add(key);
      if (!gathered.distances.has(key)) gathered.distances.set(key, direction === 'up' ? -depth : depth);
    }
    frontier = fresh.map(([, node]) => node).filter((node) => node.id !== ANY);
  }
};

/** The nodes one edge away from these. */
const nextRound = async (
  context: ApiContext,
  ask: WalkAsk,
  direction: 'up' | 'down',
  frontier: readonly NodeName[],
  gathered: Gathered,
): Promise<ReadonlyMap<string, NodeName>> => {
  const edges = await askInPieces(
    frontier,
    () => WALK_EDGES_MAX - gathered.edges.size,
    (nodes) => askNeighbours(context, ask, direction, nodes, gathered),
  );
  return new Map(edges.map((edge) => [nodeText(farEnd(edge, direction)), farEnd(edge, direction)]));
};

const farEnd = (edge: EdgeRow, direction: 'up' | 'down'): NodeName =>
  direction === 'down' ? { kind: edge.to_kind, id: edge.to_id } : { kind: edge.from_kind, id: edge.from_id };

/** One query's edges, as far as there is room for them; null once the budget is spent. */
const askNeighbours = async (
  context: ApiContext,
  { tenant, range }: WalkAsk,
  direction: 'up' | 'down',
  nodes: readonly NodeName[],
  { edges, budget }: Gathered,
): Promise<readonly EdgeRow[] | null> => {
  const room = WALK_EDGES_MAX - edges.size;
  if (room <= 0 || budget.queries <= 0) {
    budget.truncated = true;
    return null;
  }
  budget.queries -= 1;
  const found = await read<EdgeRow>(context, neighboursQuery({ tenant, direction, nodes, range, limit: room }));
  if (found.length > room) budget.truncated = true;
  const kept = found.slice(0, room);
  for (const edge of kept)
    edges.set(JSON.stringify([edge.edge, edge.from_kind, edge.from_id, edge.to_kind, edge.to_id]), edge);
  return kept;
};
