/** What the waterfall needs of a step. */
export interface TreeStep {
  readonly step_id: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly signal: string;
  readonly step_kind: string;
  readonly status: string;
  readonly severity: string | null;
  readonly ts_nanos: string;
}

export interface TreeNode<T> {
  readonly step: T;
  readonly depth: number;
  readonly children: readonly TreeItem<T>[];
}

/** A line of the waterfall: a step, or plumbing folded behind its count. */
export type TreeItem<T> =
  | { readonly kind: 'step'; readonly node: TreeNode<T> }
  | { readonly kind: 'folded'; readonly nodes: readonly TreeNode<T>[]; readonly count: number; readonly depth: number };

/**
 * Deeper than this is drawn at this depth, one below the other, so that a long chain stays on the page. It bounds the
 * recursion over the tree as well: a chain of thousands of spans would end the stack.
 */
const DEPTH_MAX = 24;

/**
 * Steps as a forest in order of time. Bad input is normal: a parent that is missing or in a circle makes a step a
 * root, and a span id told twice keeps both steps. Log records and actions hang below the span they name.
 * Plumbing (step_kind `other` with nothing but `other` below, no error and no warning) is folded, unless it is all
 * there is.
 */
export const treeOf = <T extends TreeStep>(steps: readonly T[]): readonly TreeItem<T>[] => {
  const sorted = [...steps].sort(byTime);
  const spans = new Map<string, T>();
  for (const step of sorted) if (step.signal === 'span' && !spans.has(step.span_id)) spans.set(step.span_id, step);
  const parentOf = (step: T): T | undefined => {
    const parent = spans.get(step.signal === 'span' ? step.parent_span_id : step.span_id || step.parent_span_id);
    return parent === step ? undefined : parent;
  };
  const inCircle = circular(sorted, parentOf);
  const children = new Map<string, T[]>();
  const roots: T[] = [];
  for (const step of sorted) {
    const parent = parentOf(step);
    if (parent === undefined || inCircle.has(step.step_id)) roots.push(step);
    else {
      const siblings = children.get(parent.step_id);
      if (siblings === undefined) children.set(parent.step_id, [step]);
      else siblings.push(step);
    }
  }
  const hasAgentSteps = sorted.some((step) => step.step_kind !== 'other');
  return itemsOf(roots, 0, { children, isFolding: hasAgentSteps });
};

interface Forest<T> {
  readonly children: ReadonlyMap<string, readonly T[]>;
  readonly isFolding: boolean;
}

const byTime = (left: TreeStep, right: TreeStep): number => {
  const [a, b] = [left.ts_nanos.padStart(20, '0'), right.ts_nanos.padStart(20, '0')];
  if (a !== b) return a < b ? -1 : 1;
  return left.step_id < right.step_id ? -1 : 1;
};

/** One step of each circle of parents: cutting there leaves a tree. */
const circular = <T extends TreeStep>(
  steps: readonly T[],
  parentOf: (step: T) => T | undefined,
): ReadonlySet<string> => {
  const cut = new Set<string>();
  const done = new Set<string>();
  for (const step of steps) {
    const trail = new Set<string>();
    let at: T | undefined = step;
    while (at !== undefined && !done.has(at.step_id)) {
      if (trail.has(at.step_id)) {
        cut.add(at.step_id);
        break;
      }
      trail.add(at.step_id);
      at = parentOf(at);
    }
    for (const id of trail) done.add(id);
  }
  return cut;
};

/** Steps with everything below them, parents before children, without nesting. */
const flattened = <T extends TreeStep>(steps: readonly T[], forest: Forest<T>): readonly T[] => {
  const flat: T[] = [];
  const open = [...steps].reverse();
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    flat.push(step);
    for (const child of [...(forest.children.get(step.step_id) ?? [])].reverse()) open.push(child);
  }
  return flat;
};

const itemsOf = <T extends TreeStep>(steps: readonly T[], depth: number, forest: Forest<T>): readonly TreeItem<T>[] => {
  const isDeepest = depth >= DEPTH_MAX;
  const items: TreeItem<T>[] = [];
  let plumbing: TreeNode<T>[] = [];
  const flush = (): void => {
    if (plumbing.length > 0) {
      items.push({
        kind: 'folded',
        nodes: plumbing,
        count: plumbing.reduce((sum, node) => sum + sizeOf(node), 0),
        depth,
      });
    }
    plumbing = [];
  };
  for (const step of isDeepest ? flattened(steps, forest) : steps) {
    const node: TreeNode<T> = {
      step,
      depth,
      children: isDeepest ? [] : itemsOf(forest.children.get(step.step_id) ?? [], depth + 1, forest),
    };
    if (forest.isFolding && isPlumbing(node)) {
      plumbing.push(node);
      continue;
    }
    flush();
    items.push({ kind: 'step', node });
  }
  flush();
  return items;
};

/** All of it `other`, without error or warning. Its children were folded before it, so one look at them is enough. */
const isPlumbing = <T extends TreeStep>(node: TreeNode<T>): boolean =>
  node.step.step_kind === 'other' &&
  node.step.status !== 'error' &&
  !/^(warn|error|fatal|critical)/i.test(node.step.severity ?? '') &&
  node.children.every((item) => item.kind === 'folded');

const sizeOf = <T>(node: TreeNode<T>): number =>
  1 + node.children.reduce((sum, item) => sum + (item.kind === 'folded' ? item.count : sizeOf(item.node)), 0);
