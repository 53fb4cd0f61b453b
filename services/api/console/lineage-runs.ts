import type { DrawnEdge, DrawnNode } from './lineage-layout.ts';

/** Runs a layer draws one by one; more of them differ only in their ids, and hide what the layer is about. */
const RUNS_DRAWN_MAX = 3;

/**
 * The picture with the many runs of a layer as one box of them, its lines merged. `href`: where that box leads. The
 * node the page is about, and whatever is no run, stays as it is.
 */
export const mergeRuns = (
  nodes: readonly DrawnNode[],
  edges: readonly DrawnEdge[],
  href: string | null,
): { readonly nodes: readonly DrawnNode[]; readonly edges: readonly DrawnEdge[] } => {
  const runs = Map.groupBy(
    nodes.filter((node) => node.kind === 'run' && !node.isFocus && node.isOnWay !== true),
    (node) => node.layer,
  );
  const merged = new Map<string, DrawnNode>();
  for (const [layer, group] of runs) {
    if (group.length <= RUNS_DRAWN_MAX) continue;
    const label = `${group.length.toLocaleString('en-US')} runs`;
    const box: DrawnNode = { key: `runs of layer ${layer}`, kind: 'run', label, layer, href, isFocus: false };
    for (const node of group) merged.set(node.key, box);
  }
  const endOf = (key: string): string => merged.get(key)?.key ?? key;
  const drawn = new Map<string, DrawnEdge>();
  for (const edge of edges) {
    const [from, to] = [endOf(edge.from), endOf(edge.to)];
    const key = `${from}\n${to}\n${edge.edge}`;
    if (from !== to || edge.from === edge.to)
      drawn.set(key, {
        ...edge,
        from,
        to,
        isRough: edge.isRough || drawn.get(key)?.isRough === true,
        ...(edge.isOnWay === true || drawn.get(key)?.isOnWay === true ? { isOnWay: true } : {}),
      });
  }
  return {
    nodes: [...nodes.filter((node) => !merged.has(node.key)), ...new Set(merged.values())],
    edges: [...drawn.values()],
  };
};
