import { type ASTNode, Environment, EvaluationError, ParseError, type ParseResult } from '@marcbachmann/cel-js';
import { applyProfile, type ExpressionProblem, type Reads } from './cel-profile.ts';
import { FIELD_GROUPS, STEP_FIELDS } from './fields.ts';
import { matchesGlob } from './glob.ts';
import { cidrIn, hostIn } from './hosts.ts';
import { createMeter, type Meter } from './meter.ts';
import { registerMeteredMethods, withoutMetered } from './metered-methods.ts';
import { GROUP_CLASSES, StepView } from './step-view.ts';
import { isInWindow, type TimeWindow } from './windows.ts';

/** What a condition is evaluated over: the step, and the lists of its tenant (names without `cfg.`). */
export interface Scope {
  readonly e: StepView;
  readonly cfg: ListView;
}

/**
 * What a condition says of one step. `unknown`: it came to a field that the emitter did not tell (`e.…`) or to a list
 * that this tenant has not configured (`cfg.…`), and nothing else decided it.
 */
export type Verdict =
  | { readonly kind: 'decided'; readonly holds: boolean }
  | { readonly kind: 'unknown'; readonly name: string }
  | { readonly kind: 'error'; readonly message: string };

/** A condition, parsed and type-checked. */
export interface Condition {
  readonly text: string;
  readonly reads: Reads;
  readonly evaluate: (scope: Scope) => Verdict;
}

export type Compiled =
  | { readonly kind: 'compiled'; readonly condition: Condition }
  | { readonly kind: 'wrong'; readonly problems: readonly ExpressionProblem[] };

/** Type of each list that some file declares, by its name without `cfg.`. */
export type ListTypes = ReadonlyMap<string, ListType>;
export type ListType = 'list<string>' | 'map<string, list<string>>' | 'double' | 'map<string, double>';

/** Lists of one tenant: own properties by name; absent = not configured. */
export class ListView {
  readonly exceptions: ReadonlyMap<string, readonly string[]>;
  constructor(values: ReadonlyMap<string, unknown>, exceptions: ReadonlyMap<string, readonly string[]>) {
    this.exceptions = exceptions;
    for (const [name, value] of values) Object.defineProperty(this, name, { value, enumerable: true });
  }
}

/** What the standard asks of a profile of ours; a rule of more is no longer read by people. */
const LIMITS = { maxAstNodes: 500, maxDepth: 32, maxListElements: 1_000, maxMapEntries: 1_000, maxCallArguments: 32 };

/** Compiles conditions against the fields of a step and the lists that the rule set declares. */
export const createConditions = (
  lists: ListTypes,
  windows: ReadonlyMap<string, TimeWindow>,
): { readonly compile: (text: string) => Compiled; readonly costSpent: () => number } => {
  const meter = createMeter();
  const env = createEnvironment(lists, windows, meter);
  const read = (text: string): Compiled => {
    try {
      return compile(env.parse(text), text, lists, meter);
    } catch (error) {
      if (error instanceof ParseError) return wrong(error.range?.start ?? 0, reasonOf(error));
      // Chains of `!` and `-` are not counted by the library's limits: its recursion ends at the stack.
      if (error instanceof RangeError) return wrong(0, 'nested too deeply');
      throw error;
    }
  };
  return { compile: read, costSpent: meter.spent };
};

const compile = (parsed: ParseResult, text: string, lists: ListTypes, meter: Meter): Compiled => {
  const { reads, loopsCost, problems } = applyProfile(parsed.ast);
  if (problems.length > 0) return { kind: 'wrong', problems };
  const undeclared = reads.lists.find((name) => !isDeclared(name, lists));
  if (undeclared !== undefined) return wrong(text.indexOf(undeclared), undeclaredList(undeclared, lists));
  const checked = parsed.check();
  if (!checked.valid) return wrong(checked.error?.range?.start ?? 0, reasonOf(checked.error));
  if (checked.type !== 'bool') return wrong(0, `is of type ${checked.type}; a condition is true or false`);
  return {
    kind: 'compiled',
    condition: { text, reads, evaluate: (scope) => evaluate(parsed, scope, meter, loopsCost) },
  };
};

const wrong = (offset: number, message: string): Compiled => ({
  kind: 'wrong',
  problems: [{ offset: Math.max(0, offset), message }],
});

const reasonOf = (error: { readonly summary: string } | undefined): string =>
  withoutMetered(error?.summary ?? 'cannot be read');

const isDeclared = (name: string, lists: ListTypes): boolean =>
  name.startsWith('cfg.exceptions.') || lists.has(name.slice('cfg.'.length));

const undeclaredList = (name: string, lists: ListTypes): string => {
  const known = [...lists.keys()].sort().map((each) => `cfg.${each}`);
  return `${name} is declared by no file of kind Lists (an empty one will do); there are ${known.join(', ') || 'none'}`;
};

/** A look at a step, whatever the condition. */
const EVALUATION_COST = 100;

const evaluate = (parsed: (scope: Scope) => unknown, scope: Scope, meter: Meter, loopsCost: number): Verdict => {
  try {
    meter.begin(EVALUATION_COST + loopsCost);
    return { kind: 'decided', holds: parsed(scope) === true };
  } catch (error) {
    // A rule can do what no type check foresees (ask a time zone that does not exist): counted as its error, never a crash.
    if (!(error instanceof EvaluationError)) return { kind: 'error', message: String(error) };
    const name = error.code === 'no_such_key' ? unknownName(error.node) : null;
    return name === null ? { kind: 'error', message: error.summary } : { kind: 'unknown', name };
  }
};

/** `e.tool.name` or `cfg.tools` of the access that found nothing; null when it was not of step or lists. */
const unknownName = (node: ASTNode | undefined): string | null => {
  let names: string[] = [];
  let at = node;
  while (at !== undefined && (at.op === '.' || at.op === '[]')) {
    names = at.op === '.' ? [at.args[1], ...names] : [];
    at = at.args[0];
  }
  if (at?.op !== 'id') return null;
  const depth = at.args === 'e' && FIELD_GROUPS.includes(names[0] ?? '') ? 2 : 1;
  return at.args === 'e' || at.args === 'cfg' ? [at.args, ...names.slice(0, depth)].join('.') : null;
};

const STEP_TYPE = 'Step';
const groupType = (group: string): string => `Step_${group}`;
const CEL_TYPES: Readonly<Record<string, string>> = { timestamp: 'google.protobuf.Timestamp' };

const createEnvironment = (lists: ListTypes, windows: ReadonlyMap<string, TimeWindow>, meter: Meter): Environment => {
  const env = new Environment({ limits: LIMITS });
  const typeOf = (type: string): string => CEL_TYPES[type] ?? type;
  for (const [group, ctor] of GROUP_CLASSES) {
    const own = STEP_FIELDS.filter(({ path }) => path.startsWith(`${group}.`));
    const fields = Object.fromEntries(own.map(({ path, type }) => [path.slice(group.length + 1), typeOf(type)]));
    env.registerType(groupType(group), { ctor, fields });
  }
  const top = STEP_FIELDS.filter(({ path }) => !path.includes('.'));
  env.registerType(STEP_TYPE, {
    ctor: StepView,
    fields: {
      ...Object.fromEntries(top.map(({ path, type }) => [path, typeOf(type)])),
      ...Object.fromEntries(FIELD_GROUPS.map((group) => [group, groupType(group)])),
    },
  });
  env.registerType('Lists', {
    ctor: ListView,
    fields: { ...Object.fromEntries(lists), exceptions: 'map<string, list<string>>' },
  });
  env.registerVariable('e', STEP_TYPE).registerVariable('cfg', 'Lists');
  registerMeteredMethods(env, meter);
  return registerFunctions(env, windows, meter);
};

const registerFunctions = (
  env: Environment,
  windows: ReadonlyMap<string, TimeWindow>,
  { charge }: Meter,
): Environment => {
  const metered =
    (of: (text: string, list: readonly string[]) => boolean, cost: (text: string, entry: string) => number) =>
    (text: string, list: readonly string[]): boolean => {
      for (const entry of list) charge(cost(text, entry));
      return of(text, list);
    };
  const globOf = (text: string, patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesGlob(text, pattern));
  const lengths = (text: string, entry: string): number => text.length + entry.length;
  // One star is found in one pass; behind several, each place of the text may be tried with the rest of the pattern.
  const globCost = (text: string, pattern: string): number =>
    pattern.indexOf('*') === pattern.lastIndexOf('*') ? lengths(text, pattern) : text.length * pattern.length;
  const globIn = metered(globOf, globCost);
  env
    .registerOperator('int == double', (a: bigint, b: number) => Number(a) === b)
    .registerFunction('host_in(string, list<string>): bool', metered(hostIn, lengths))
    .registerFunction('cidr_in(string, list<string>): bool', metered(cidrIn, lengths))
    .registerFunction('glob(string, string): bool', (text: string, pattern: string) => globIn(text, [pattern]))
    .registerFunction('glob(string, list<string>): bool', globIn)
    .registerFunction(`has_label(${STEP_TYPE}, string): bool`, hasLabel)
    .registerFunction('in_window(google.protobuf.Timestamp, string): bool', (moment: Date, name: string) => {
      const window = windows.get(name);
      if (window === undefined) throw new EvaluationError(`no window is called ${name}`);
      return isInWindow(moment, window);
    });
  return env;
};

/** `name` or `name=value` among the labels of the step, or a label of the data it touched. */
const hasLabel = (step: StepView, label: string): boolean => {
  const labels = Reflect.get(step, 'labels') as Readonly<Record<string, string>> | undefined;
  const data = Reflect.get(Reflect.get(step, 'data') as object, 'labels') as readonly string[] | undefined;
  const at = label.indexOf('=');
  const isOwn =
    labels !== undefined &&
    (Object.hasOwn(labels, label) || (at > 0 && labels[label.slice(0, at)] === label.slice(at + 1)));
  return isOwn || (data?.includes(label) ?? false);
};
