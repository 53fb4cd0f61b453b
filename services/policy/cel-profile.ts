import type { ASTNode } from '@marcbachmann/cel-js';
import { FIELD_GROUPS, STEP_FIELDS, stepField } from './fields.ts';
import { childrenOf, LOOPS_COST_MAX, loopCost } from './loop-cost.ts';
import { METERED, meteredName } from './metered-methods.ts';
import { patternProblem } from './pattern.ts';

/** Something wrong at a character of an expression. */
export interface ExpressionProblem {
  readonly offset: number;
  readonly message: string;
}

/** What an expression reads: `e.tool.name`, `cfg.tools`, `cfg.exceptions.egress`. */
export interface Reads {
  readonly fields: readonly string[];
  readonly lists: readonly string[];
}

/** Functions and methods of the profile: all pure, all bounded by the text they are given. */
const FUNCTIONS: ReadonlySet<string> = new Set([
  ...['has', 'size', 'string', 'double', 'int', 'timestamp', 'duration'],
  ...['host_in', 'cidr_in', 'glob', 'in_window', 'has_label'],
]);
/** No `map`: it can make a list or a text twice as long, and again. */
const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter']);
const METHODS: ReadonlySet<string> = new Set([
  ...['contains', 'startsWith', 'endsWith', 'matches', 'lowerAscii', 'upperAscii', 'trim', 'split', 'size'],
  ...['getHours', 'getMinutes', 'getDayOfWeek', 'getDayOfMonth', 'getMonth', 'getFullYear', 'getSeconds'],
  ...MACROS,
]);

/**
 * Walks an expression before it is type-checked: refuses what is outside the profile, finds what it reads, turns whole
 * numbers into doubles and hands literal patterns to the linear-time engine. The nodes are fresh from the parser; this
 * is the one place that changes them.
 */
export const applyProfile = (
  ast: ASTNode,
): { readonly reads: Reads; readonly loopsCost: number; readonly problems: readonly ExpressionProblem[] } => {
  const walk: Walk = { fields: new Set(), lists: new Set(), problems: [], loopsCost: 0 };
  visit(ast, walk, { bound: new Set(), isLooping: false });
  if (walk.loopsCost > LOOPS_COST_MAX)
    refuse(walk, ast, `its loops can cost ${walk.loopsCost} comparisons at a step; at most ${LOOPS_COST_MAX}`);
  const { problems, loopsCost } = walk;
  return { reads: { fields: [...walk.fields].sort(), lists: [...walk.lists].sort() }, loopsCost, problems };
};

interface Walk {
  readonly fields: Set<string>;
  readonly lists: Set<string>;
  readonly problems: ExpressionProblem[];
  loopsCost: number;
}

/** Names a macro binds, and whether a macro is around. */
interface Scope {
  readonly bound: ReadonlySet<string>;
  readonly isLooping: boolean;
}

const refuse = (walk: Walk, node: { readonly start: number }, message: string): void => {
  walk.problems.push({ offset: node.start, message });
};

const visit = (node: ASTNode, walk: Walk, scope: Scope): void => {
  switch (node.op) {
    case 'value':
      if (typeof node.args === 'bigint') rewrite(node, Number(node.args));
      return;
    case 'id':
      visitName(node.args, node, walk, scope);
      return;
    case '.':
      visitSelect(node, walk, scope);
      return;
    case '[]':
      visitIndex(node, walk, scope);
      return;
    case 'call':
      visitCall(node.args[0], node.args[1], node, walk, scope);
      return;
    case 'rcall':
      visitMethod(node, walk, scope);
      return;
    case '.?':
    case '[?]':
      refuse(walk, node, 'optional access is not in the profile: use has(…)');
      return;
    default:
      for (const child of childrenOf(node)) visit(child, walk, scope);
  }
};

const rewrite = (node: ASTNode, args: unknown): void => {
  (node as { args: unknown }).args = args;
};

const visitName = (name: string, node: ASTNode, walk: Walk, scope: Scope): void => {
  if (scope.bound.has(name)) return;
  if (name === 'e') refuse(walk, node, 'e is the whole step: name one of its fields, such as e.tool.name');
  else if (name === 'cfg') refuse(walk, node, 'cfg is all lists: name one, such as cfg.tools');
  else refuse(walk, node, `${name} is unknown; there are e (the step) and cfg (the lists)`);
};

/** `a.b.c` down to its root: the names, and the node at the root. */
const chainOf = (node: ASTNode): { readonly root: ASTNode; readonly names: readonly string[] } => {
  const names: string[] = [];
  let root = node;
  while (root.op === '.') {
    names.unshift(root.args[1]);
    root = root.args[0];
  }
  return { root, names };
};

const visitSelect = (node: ASTNode, walk: Walk, scope: Scope): void => {
  const { root, names } = chainOf(node);
  const isOurs = root.op === 'id' && !scope.bound.has(root.args);
  if (isOurs && root.args === 'e') readField(names, node, walk);
  else if (isOurs && root.args === 'cfg') readList(names, node, walk);
  else visit(root, walk, scope);
};

const readField = (names: readonly string[], node: ASTNode, walk: Walk): void => {
  const [first = '', second] = names;
  const isGroup = FIELD_GROUPS.includes(first);
  const path = isGroup ? `e.${first}.${second ?? ''}` : `e.${first}`;
  const field = stepField(path);
  if (field !== undefined) {
    const isTooDeep = names.length > (isGroup ? 2 : 1) && !field.type.startsWith('map');
    if (isTooDeep) refuse(walk, node, `${path} is a ${field.type} and has no fields`);
    else walk.fields.add(path);
    return;
  }
  const known = STEP_FIELDS.map((each) => each.path).filter((each) =>
    isGroup ? each.startsWith(`${first}.`) : !each.includes('.'),
  );
  const name = isGroup ? (second === undefined ? `e.${first}` : path) : path;
  const groups = isGroup ? '' : `; groups: ${FIELD_GROUPS.join(', ')}`;
  refuse(walk, node, `${name} is no field of a step; there are ${known.join(', ')}${groups}`);
};

const readList = (names: readonly string[], node: ASTNode, walk: Walk): void => {
  const [first = '', second] = names;
  if (first !== 'exceptions') walk.lists.add(`cfg.${first}`);
  else if (second === undefined)
    refuse(walk, node, 'cfg.exceptions is a group: name the list, such as cfg.exceptions.egress');
  else walk.lists.add(`cfg.exceptions.${second}`);
};

const visitIndex = (node: ASTNode & { op: '[]' }, walk: Walk, scope: Scope): void => {
  const [left, right] = node.args;
  const { root, names } = chainOf(left);
  const isStep = root.op === 'id' && root.args === 'e' && !scope.bound.has('e');
  if (isStep && (names.length === 0 || (names.length === 1 && FIELD_GROUPS.includes(names[0] ?? '')))) {
    refuse(walk, node, 'fields of a step are named with a dot: e.tool.name');
    return;
  }
  visit(left, walk, scope);
  // A place in a list is a whole number and stays one.
  if (right.op !== 'value') visit(right, walk, scope);
};

const visitCall = (name: string, args: readonly ASTNode[], node: ASTNode, walk: Walk, scope: Scope): void => {
  if (name === 'matches') {
    refuse(walk, node, 'write the text first: e.tool.arguments.matches("…")');
    return;
  }
  if (!FUNCTIONS.has(name)) {
    refuse(walk, node, `there is no function ${name}; there are ${[...FUNCTIONS].join(', ')}`);
    return;
  }
  for (const [at, arg] of args.entries()) {
    const isWholeStep = name === 'has_label' && at === 0 && arg.op === 'id' && arg.args === 'e';
    if (isWholeStep) walk.fields.add('e.labels');
    else visit(arg, walk, scope);
  }
};

const visitMethod = (node: ASTNode & { op: 'rcall' }, walk: Walk, scope: Scope): void => {
  const [name, receiver, args] = node.args;
  if (!METHODS.has(name)) {
    refuse(walk, node, `there is no method ${name}; there are ${[...METHODS].join(', ')}`);
    return;
  }
  visit(receiver, walk, scope);
  if (MACROS.has(name)) visitMacro(name, args, node, walk, scope);
  else if (name === 'matches') visitMatches(args, node, walk);
  else for (const arg of args) visit(arg, walk, scope);
  if (METERED.has(name)) rewrite(node, [meteredName(name), receiver, args]);
};

const visitMacro = (
  name: string,
  args: readonly ASTNode[],
  node: ASTNode & { op: 'rcall' },
  walk: Walk,
  scope: Scope,
): void => {
  const [variable, ...rest] = args;
  if (scope.isLooping) refuse(walk, node, `${name} inside another loop: a list for each of a list costs its square`);
  if (variable?.op !== 'id') return;
  if (variable.args === 'e' || variable.args === 'cfg')
    refuse(walk, variable, `${variable.args} is taken: call the variable something else`);
  const inner: Scope = { bound: new Set([...scope.bound, variable.args]), isLooping: true };
  walk.loopsCost += loopCost(node.args[1], rest);
  for (const arg of rest) visit(arg, walk, inner);
};

const visitMatches = (args: readonly ASTNode[], node: ASTNode & { op: 'rcall' }, walk: Walk): void => {
  const [pattern] = args;
  if (pattern?.op !== 'value' || typeof pattern.args !== 'string') {
    refuse(walk, pattern ?? node, 'matches takes a literal pattern, so that it can be checked when the rule is loaded');
    return;
  }
  const problem = patternProblem(pattern.args);
  if (problem !== null) refuse(walk, pattern, `pattern: ${problem}`);
};
