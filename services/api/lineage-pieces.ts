import type { NodeName } from './queries/lineage.ts';

/** Nodes of one kind that the first query of a round asks for. */
const NODES_MIN = 8;
/** How many times as many the next query may ask for: those before say little of what is to come. */
const GROWTH_MAX = 16;
/** Bytes of ids in one query: servers take 128 KiB in one field of a form, and escapes make them longer. */
const BYTES_MAX = 32_768;

/**
 * Asks for the edges of some nodes in pieces, one after the other, as long as there is room; gives the edges found. A
 * piece is of one kind (a tool has a thousand times the edges of a user) and as large as would fill the room, judging by
 * the ones before: where a few nodes of many edges fill it, the rows of the others are never read. `ask` resolves to null
 * where there is no room, and nothing more is asked.
 */
export const askInPieces = async <Node extends NodeName, Edge>(
  nodes: readonly Node[],
  roomOf: () => number,
  ask: (piece: readonly Node[]) => Promise<readonly Edge[] | null>,
): Promise<readonly Edge[]> => {
  const found: Edge[] = [];
  for (const alike of Map.groupBy(nodes, ({ kind }) => kind).values()) {
    let size = NODES_MIN;
    for (let at = 0; at < alike.length; ) {
      const piece = fitting(alike, at, size);
      const edges = await ask(piece);
      if (edges === null) return found;
      for (const edge of edges) found.push(edge);
      at += piece.length;
      const nodesToFill = Math.ceil((roomOf() * piece.length) / Math.max(edges.length, 1));
      size = Math.max(NODES_MIN, Math.min(nodesToFill, piece.length * GROWTH_MAX));
    }
  }
  return found;
};

/** As many nodes from a place on as are asked for and as fit one query; at least one. */
const fitting = <Node extends NodeName>(nodes: readonly Node[], from: number, size: number): readonly Node[] => {
  let bytes = 0;
  let end = from;
  for (; end < nodes.length && end < from + size; end += 1) {
    bytes += Buffer.byteLength(nodes[end]?.id ?? '');
    if (bytes > BYTES_MAX && end > from) break;
  }
  return nodes.slice(from, end);
};
