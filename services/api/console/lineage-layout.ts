import type { NodeKind } from '../../../schemas/lineage-edge.ts';

/** A node as it is drawn. `layer` counts from the left; layers without nodes take no room. */
export interface DrawnNode {
  readonly key: string;
  readonly kind: NodeKind;
  readonly label: string;
  readonly layer: number;
  readonly href: string | null;
  /** The node the page is about. */
  readonly isFocus: boolean;
  /** On the way that was asked for: always drawn. */
  readonly isOnWay?: boolean;
}

export interface DrawnEdge {
  readonly from: string;
  readonly to: string;
  readonly edge: string;
  /** The telemetry leaves something out: drawn open. */
  readonly isRough: boolean;
  /** Part of the way that was asked for. */
  readonly isOnWay?: boolean;
}

/** Boxes one layer shows; more of them are lines nobody can follow, and the table below has them all. */
export const LAYER_NODES_MAX = 14;
/** Layers drawn; what lies further right stands in the last one. */
const LAYERS_MAX = 8;
export const BOX = { width: 196, height: 38, gapX: 72, gapY: 12, pad: 8 } as const;
/** Height of a way through a column for lines that pass it. */
const LANE = 6;
/** Room right of the last column for lines that bend back. */
const LOOP = 36;
/** Between lines that join the same two boxes. */
const APART = 7;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface PlacedEdge extends DrawnEdge {
  /** SVG path data. */
  readonly path: string;
}

export interface Layout {
  /** Upper left corner of each box that is shown. */
  readonly boxes: readonly { readonly node: DrawnNode; readonly at: Point }[];
  readonly edges: readonly PlacedEdge[];
  /** What stands for the boxes a layer does not show. */
  readonly more: readonly { readonly count: number; readonly at: Point }[];
  readonly width: number;
  readonly height: number;
}

/**
 * Columns from left to right. A line that passes a column gets a lane there beside the boxes, so that it never runs
 * behind one and seems to come out of it. Large layers are cut to the focus and the nodes of most edges.
 */
export const layoutOf = (nodes: readonly DrawnNode[], edges: readonly DrawnEdge[]): Layout => {
  const columns = columnsOf(nodes, edges);
  const columnOf = new Map(columns.flatMap(({ kept }, at) => kept.map((node) => [node.key, at] as const)));
  const drawn = edges.filter((edge) => columnOf.has(edge.from) && columnOf.has(edge.to));
  const lanes = lanesOf(drawn, columnOf, columns.length);
  const heights = columns.map(({ kept, hidden }, at) => heightOf(kept.length + (hidden > 0 ? 1 : 0), lanes[at] ?? []));
  const height = Math.max(BOX.height, ...heights);
  const places = new Map<string, Point>();
  const boxes: { node: DrawnNode; at: Point }[] = [];
  const more: { count: number; at: Point }[] = [];
  for (const [at, { kept, hidden }] of columns.entries()) {
    const x = BOX.pad + at * (BOX.width + BOX.gapX);
    let y = BOX.pad + (height - (heights[at] ?? 0)) / 2;
    const sides = Map.groupBy(lanes[at] ?? [], (source) =>
      (places.get(source)?.y ?? 0) + BOX.height / 2 < BOX.pad + height / 2 ? 'above' : 'below',
    );
    const putLanes = (sources: readonly string[]): void => {
      for (const source of [...sources].sort((a, b) => (places.get(a)?.y ?? 0) - (places.get(b)?.y ?? 0))) {
        places.set(laneKey(source, at), { x, y: y + LANE / 2 });
        y += LANE + BOX.gapY;
      }
    };
    putLanes(sides.get('above') ?? []);
    for (const node of byNeighbours(kept, drawn, places)) {
      places.set(node.key, { x, y });
      boxes.push({ node, at: { x, y } });
      y += BOX.height + BOX.gapY;
    }
    if (hidden > 0) {
      more.push({ count: hidden, at: { x, y } });
      y += BOX.height + BOX.gapY;
    }
    putLanes(sides.get('below') ?? []);
  }
  const width = Math.max(1, columns.length) * (BOX.width + BOX.gapX) - BOX.gapX + 2 * BOX.pad + LOOP;
  return { boxes, more, edges: pathsOf(drawn, places, columnOf), width, height: height + 2 * BOX.pad };
};

const heightOf = (boxes: number, lanes: readonly string[]): number =>
  boxes * (BOX.height + BOX.gapY) + lanes.length * (LANE + BOX.gapY) - BOX.gapY;

interface Column {
  readonly kept: readonly DrawnNode[];
  readonly hidden: number;
}

/** From left to right, so that of a large layer those stay that are joined with what is shown left of it. */
const columnsOf = (nodes: readonly DrawnNode[], edges: readonly DrawnEdge[]): readonly Column[] => {
  const others = new Map<string, string[]>();
  const join = (key: string, other: string): void => {
    const known = others.get(key);
    if (known === undefined) others.set(key, [other]);
    else known.push(other);
  };
  for (const { from, to } of edges) {
    join(from, to);
    join(to, from);
  }
  const shown = new Set<string>();
  const byLayer = Map.groupBy(nodes, (node) => Math.min(node.layer, LAYERS_MAX - 1));
  return [...byLayer]
    .sort(([a], [b]) => a - b)
    .map(([, layer]) => {
      const weights = new Map(
        layer.map((node) => {
          const met = others.get(node.key) ?? [];
          return [
            node,
            [node.isFocus || node.isOnWay === true ? 1 : 0, met.filter((key) => shown.has(key)).length, met.length],
          ] as const;
        }),
      );
      const kept = [...layer]
        .sort((a, b) => compare(weights.get(b) ?? [], weights.get(a) ?? []))
        .slice(0, LAYER_NODES_MAX);
      for (const node of kept) shown.add(node.key);
      return { kept, hidden: layer.length - kept.length };
    });
};

/** By the first figure in which they differ. */
const compare = (a: readonly number[], b: readonly number[]): number => {
  const at = a.findIndex((figure, index) => figure !== b[index]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
};

/** Lines of one source share a lane. */
const laneKey = (source: string, column: number): string => `lane ${column} ${source}`;

/** By column, the sources of lines that pass it. */
const lanesOf = (
  edges: readonly DrawnEdge[],
  columnOf: ReadonlyMap<string, number>,
  columns: number,
): readonly (readonly string[])[] => {
  const lanes = Array.from({ length: columns }, () => new Set<string>());
  for (const { from, to } of edges) {
    const [start, end] = [columnOf.get(from) ?? 0, columnOf.get(to) ?? 0];
    for (let column = start + 1; column < end; column += 1) lanes[column]?.add(from);
  }
  return lanes.map((sources) => [...sources]);
};

const KIND_ORDER: readonly NodeKind[] = ['run', 'user', 'agent', 'tool', 'model', 'dataset', 'file', 'host'];

/** Kinds together, and within a kind each node near the ones left of it that it is joined with: fewer crossings. */
const byNeighbours = (
  nodes: readonly DrawnNode[],
  edges: readonly DrawnEdge[],
  places: ReadonlyMap<string, Point>,
): readonly DrawnNode[] => {
  const heights = new Map<string, number[]>();
  const meet = (key: string, other: string): void => {
    const place = places.get(other);
    if (place !== undefined) heights.set(key, [...(heights.get(key) ?? []), place.y]);
  };
  for (const { from, to } of edges) {
    meet(to, from);
    meet(from, to);
  }
  const mean = (node: DrawnNode): number => {
    const ys = heights.get(node.key) ?? [];
    return ys.length === 0 ? 0 : ys.reduce((sum, y) => sum + y, 0) / ys.length;
  };
  return [...nodes].sort(
    (a, b) =>
      KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) || mean(a) - mean(b) || (a.label < b.label ? -1 : 1),
  );
};

const pathsOf = (
  edges: readonly DrawnEdge[],
  places: ReadonlyMap<string, Point>,
  columnOf: ReadonlyMap<string, number>,
): readonly PlacedEdge[] => {
  const seen = new Map<string, number>();
  return edges.flatMap((edge) => {
    const [from, to] = [places.get(edge.from), places.get(edge.to)];
    if (from === undefined || to === undefined) return [];
    const pair = JSON.stringify([edge.from, edge.to]);
    const nth = seen.get(pair) ?? 0;
    seen.set(pair, nth + 1);
    const start = { x: from.x + BOX.width, y: from.y + BOX.height / 2 + nth * APART };
    const end = { x: to.x, y: to.y + BOX.height / 2 + nth * APART };
    if (to.x <= from.x) return [{ ...edge, path: loop(start, { x: to.x + BOX.width, y: end.y }) }];
    const ways: Point[] = [];
    for (let column = (columnOf.get(edge.from) ?? 0) + 1; column < (columnOf.get(edge.to) ?? 0); column += 1)
      ways.push(places.get(laneKey(edge.from, column)) ?? end);
    return [{ ...edge, path: through(start, ways, end) }];
  });
};

/** Curves from column to column, straight through each lane. */
const through = (start: Point, lanes: readonly Point[], end: Point): string => {
  let path = `M${start.x} ${start.y}`;
  let from = start;
  for (const lane of lanes) {
    const out = { x: lane.x + BOX.width, y: lane.y };
    path += `${curve(from, lane)}H${out.x}`;
    from = out;
  }
  return path + curve(from, end);
};

const curve = (from: Point, to: Point): string => {
  const middle = (from.x + to.x) / 2;
  return `C${middle} ${from.y} ${middle} ${to.y} ${to.x} ${to.y}`;
};

/** In its own column or back: out at the right and in again there, so that it is not taken for a line to the next. */
const loop = (start: Point, end: Point): string => {
  const bend = Math.max(start.x, end.x) + LOOP;
  return `M${start.x} ${start.y + 6}C${bend} ${start.y + 6} ${bend} ${end.y - 6} ${end.x} ${end.y - 6}`;
};
