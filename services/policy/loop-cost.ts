import type { ASTNode } from '@marcbachmann/cel-js';

/** Lists of a step and of the config have at most this many entries. */
const ENTRIES_MAX = 1_000;
/** Of our own functions: what they look at is counted when they run. */
const CALL_COST = 20;
/** All loops of one condition, at their worst: a quarter of a second. */
export const LOOPS_COST_MAX = 5_000_000;

/** The most a loop can cost beside the texts it looks at: entries × what each of them takes, in units of the meter. */
export const loopCost = (list: ASTNode, body: readonly ASTNode[]): number =>
  entriesOf(list) * body.reduce((sum, node) => sum + bodyCost(node), 1);

/** Entries of a list: known of one that is written out, at most `ENTRIES_MAX` of any other. */
const entriesOf = (node: ASTNode): number => {
  if (node.op === 'list') return node.args.length;
  if (node.op === '+') return entriesOf(node.args[0]) + entriesOf(node.args[1]);
  return ENTRIES_MAX;
};

const bodyCost = (node: ASTNode): number => {
  const own = node.op === 'in' ? entriesOf(node.args[1]) : node.op === 'call' || node.op === 'rcall' ? CALL_COST : 1;
  return childrenOf(node).reduce((sum, child) => sum + bodyCost(child), own);
};

/** Everything an expression is made of, one level down. */
export const childrenOf = (node: ASTNode): readonly ASTNode[] => {
  const flat: unknown[] = Array.isArray(node.args) ? node.args.flat(2) : [node.args];
  return flat.filter((child): child is ASTNode => typeof child === 'object' && child !== null && 'op' in child);
};
