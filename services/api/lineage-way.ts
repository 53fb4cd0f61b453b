import type { ApiContext } from './deps.ts';
import { pathsTo, walkFlow } from './lineage-flow.ts';
import { nodeText, parseNode, type Walk, type WalkAsk, walkLineage } from './lineage-reads.ts';
import type { EdgeRow, NodeName } from './queries/lineage.ts';
import { FLOW_LEVELS } from './queries/lineage-flow.ts';

/** Edges a way between two nodes may have. */
export const WAY_EDGES_MAX = 6;
/** Ways of data that are marked at once. */
const FLOW_WAYS_MAX = 20;

/** How two nodes are joined. */
export interface Way {
  /** 'down': from the first to the second; 'up': the other way round. */
  readonly direction: 'up' | 'down';
  /** Everything that was walked to find it. */
  readonly walk: Walk;
  /** `KIND:ID` of every node on a shortest way, both ends too. */
  readonly nodes: ReadonlySet<string>;
  /** The edges of the shortest ways. */
  readonly edges: ReadonlySet<EdgeRow>;
  /** One of them, edge by edge from its start. */
  readonly steps: readonly EdgeRow[];
}

type Ask = Pick<WalkAsk, 'tenant' | 'range'> & { readonly from: NodeName; readonly to: NodeName };

const isData = ({ kind }: NodeName): boolean => kind === 'dataset' || kind === 'file' || kind === 'host';

/**
 * The shortest ways between two nodes, first from the one to the other, then back: of two data sets, files or hosts those
 * that data may have gone in time; else along edges of whatever runs. null: none is told within WAY_EDGES_MAX edges.
 */
export const findWay = async (context: ApiContext, ask: Ask): Promise<Way | null> => {
  const find = isData(ask.from) && isData(ask.to) ? flowWay : edgeWay;
  return (await find(context, ask, 'down')) ?? find(context, { ...ask, from: ask.to, to: ask.from }, 'up');
};

const edgeWay = async (context: ApiContext, ask: Ask, direction: Way['direction']): Promise<Way | null> => {
  const { tenant, range, from, to } = ask;
  const walk = await walkLineage(context, { tenant, range, node: from, direction: 'down', depth: WAY_EDGES_MAX });
  if ((walk.distances.get(nodeText(to)) ?? 0) === 0) return null;
  return { direction, walk, ...shortestWays(walk, from, to) };
};

/** Back from the goal, by edges that each come one step nearer to the start. */
const shortestWays = (walk: Walk, from: NodeName, to: NodeName): Pick<Way, 'nodes' | 'edges' | 'steps'> => {
  const into = Map.groupBy(walk.edges, endOf);
  const nearer = (key: string): readonly EdgeRow[] =>
    (into.get(key) ?? []).filter(
      (edge) => walk.distances.get(startOf(edge)) === (walk.distances.get(key) ?? 0) - 1 && key !== nodeText(from),
    );
  const nodes = new Set([nodeText(to)]);
  // A set may grow while it is gone through: what is added is gone through as well.
  for (const key of nodes) for (const edge of nearer(key)) nodes.add(startOf(edge));
  const steps: EdgeRow[] = [];
  for (let [edge] = nearer(nodeText(to)); edge !== undefined; [edge] = nearer(startOf(edge))) steps.unshift(edge);
  return { nodes, edges: new Set([...nodes].flatMap(nearer)), steps };
};

const startOf = (edge: EdgeRow): string => nodeText({ kind: edge.from_kind, id: edge.from_id });
const endOf = (edge: EdgeRow): string => nodeText({ kind: edge.to_kind, id: edge.to_id });

const flowWay = async (context: ApiContext, ask: Ask, direction: Way['direction']): Promise<Way | null> => {
  const { tenant, range, from, to } = ask;
  const flow = await walkFlow(context, {
    ...{ tenant, range, node: from, direction: 'down', depth: WAY_EDGES_MAX, levels: FLOW_LEVELS },
  });
  const { paths } = pathsTo(flow, from, to, WAY_EDGES_MAX, FLOW_WAYS_MAX);
  const [first] = paths;
  if (first === undefined) return null;
  const rows = new Map(
    flow.edges.map(({ times: _times, evidence_level: _level, ...row }, at): readonly [object | undefined, EdgeRow] => [
      flow.edges[at],
      { ...row, edge: 'derives' },
    ]),
  );
  const rowsOf = (edges: readonly object[]): readonly EdgeRow[] =>
    edges.map((edge) => rows.get(edge)).filter((row) => row !== undefined);
  const ways = paths.filter(({ edges }) => edges.length === first.edges.length);
  return {
    direction,
    steps: rowsOf(first.edges),
    walk: {
      edges: [...rows.values()],
      distances: new Map([...flow.reached].map(([key, { distance }]) => [key, distance])),
      truncated: flow.truncated,
    },
    nodes: new Set(ways.flatMap(({ nodes }) => nodes.map(nodeText))),
    edges: new Set(ways.flatMap(({ edges }) => rowsOf(edges))),
  };
};

/** A node that was asked for by text: null when it is no `KIND:ID`. */
export const nodeFrom = (text: string): NodeName | null => {
  try {
    return parseNode(text);
  } catch {
    return null;
  }
};
