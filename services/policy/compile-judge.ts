import { z } from 'zod';
import type { StepKind } from '../../schemas/step-kinds.ts';
import type { ExpressionProblem } from './cel-profile.ts';
import type { Compiled, Condition, ListTypes } from './condition.ts';
import type { DetectorType } from './detectors/detector-type.ts';
import { DETECTOR_TYPES } from './detectors/registry.ts';
import { JUDGE_HEAD, type RuleDocument, type RuleTest } from './document-shapes.ts';
import { durationMicros } from './duration.ts';
import { type StepField, stepField } from './fields.ts';
import type { RuleProblem } from './problem.ts';
import type { CompiledDetector, CompiledRule, Judge } from './rule-set.ts';
import { parseTemplate } from './template.ts';
import { readTestStep } from './test-steps.ts';
import type { YamlDocument, YamlPath } from './yaml-documents.ts';

/** What compiling needs of the rest of the rule set. */
export interface CompileContext {
  readonly compile: (text: string) => Compiled;
  readonly listTypes: ListTypes;
}

/** Collects problems at places of one document. */
interface Report {
  readonly problems: RuleProblem[];
  readonly at: (path: YamlPath, message: string, offset?: number) => void;
}

const createReport = (source: YamlDocument): Report => {
  const problems: RuleProblem[] = [];
  return {
    problems,
    at: (path, message, offset) => {
      problems.push({ file: source.file, ...source.placeOf(path, offset), message });
    },
  };
};

type Outcome<T> = { readonly judge: T | null; readonly problems: readonly RuleProblem[] };

/** Compiles a document of kind Rule; every problem at its place. */
export const compileRule = (
  rule: RuleDocument,
  source: YamlDocument,
  context: CompileContext,
): Outcome<CompiledRule> => {
  const report = createReport(source);
  const when = condition(rule.when, ['when'], context, report);
  const unless = rule.unless === undefined ? null : condition(rule.unless, ['unless'], context, report);
  const head = compileHead(rule, rule.on, rule.requires, [], [when, unless], source, context, report);
  const key = (rule.dedupe?.key ?? []).flatMap((name, at) => {
    const field = stepField(name);
    if (field === undefined) report.at(['dedupe', 'key', at], `${name} is no field of a step, such as e.tool.name`);
    return field ?? [];
  });
  const window = rule.dedupe?.window;
  if (report.problems.length > 0 || when === null) return { judge: null, problems: report.problems };
  const dedupe =
    rule.dedupe === undefined ? null : { key, windowMicros: window === undefined ? null : durationMicros(window) };
  return { judge: { ...head, kind: 'rule', severity: rule.severity, when, unless, dedupe }, problems: [] };
};

const condition = (text: string, path: YamlPath, { compile }: CompileContext, report: Report): Condition | null => {
  const compiled = compile(text);
  if (compiled.kind === 'compiled') return compiled.condition;
  for (const { offset, message } of compiled.problems) report.at(path, `${path.join('.')}: ${message}`, offset);
  return null;
};

interface Head {
  readonly id: string;
  readonly version: string;
  readonly title: string;
  readonly mode: Judge['mode'];
  readonly maps: { readonly [name: string]: readonly string[] | undefined };
  readonly tests: readonly RuleTest[];
}

const compileHead = (
  head: Head,
  on: readonly StepKind[],
  requires: readonly string[],
  extras: readonly string[],
  conditions: readonly (Condition | null)[],
  source: YamlDocument,
  context: CompileContext,
  report: Report,
): Judge => {
  const { template, problems } = parseTemplate(head.title, extras);
  reportTitle(problems, report);
  const needs = requirements(requires, context, report);
  const reads = conditions.flatMap((each) => (each === null ? [] : [each.reads]));
  const mentions = new Set([...requires, ...template.fields, ...reads.flatMap(({ fields }) => fields)]);
  reportTests(head.tests, context, report);
  return {
    id: head.id,
    version: head.version,
    file: source.file,
    line: source.placeOf([]).line,
    mode: head.mode,
    on,
    title: template,
    maps: Object.fromEntries(
      Object.entries(head.maps).flatMap(([name, ids]) => (ids === undefined ? [] : [[name, ids]])),
    ),
    ...needs,
    mentions: fieldsOf([...mentions].sort()),
    tests: head.tests.map((test, at) => ({ ...test, place: source.placeOf(['tests', at, 'name']) })),
  };
};

const reportTitle = (problems: readonly ExpressionProblem[], report: Report): void => {
  for (const { offset, message } of problems) report.at(['title'], `title: ${message}`, offset);
};

const fieldsOf = (names: readonly string[]): readonly StepField[] => names.flatMap((name) => stepField(name) ?? []);

const requirements = (
  requires: readonly string[],
  { listTypes }: CompileContext,
  report: Report,
): Pick<Judge, 'requires' | 'requiredLists'> => {
  const lists: string[] = [];
  for (const [at, name] of requires.entries()) {
    const isList = name.startsWith('cfg.') && listTypes.has(name.slice('cfg.'.length));
    if (isList) lists.push(name.slice('cfg.'.length));
    else if (stepField(name) === undefined)
      report.at(['requires', at], `${name} is neither a field of a step (e.tool.name) nor a declared list (cfg.tools)`);
  }
  return { requires: fieldsOf(requires), requiredLists: lists };
};

const reportTests = (tests: readonly RuleTest[], { listTypes }: CompileContext, report: Report): void => {
  for (const [at, test] of tests.entries()) {
    for (const [index, raw] of test.steps.entries()) {
      const read = readTestStep(raw);
      for (const { path, message } of read.problems) report.at(['tests', at, 'steps', index, ...path], message);
    }
    for (const name of Object.keys(test.lists ?? {}))
      if (!listTypes.has(name))
        report.at(['tests', at, 'lists', name], `cfg.${name} is declared by no file of kind Lists`);
  }
};

const DETECTOR_COMMON = {
  ...JUDGE_HEAD,
  kind: z.literal('Detector'),
  type: z.string(),
  where: z.string().min(1).max(10_000).optional(),
};

/** The shape of a detector document of a type. */
export const detectorShape = (type: DetectorType) => z.strictObject({ ...DETECTOR_COMMON, ...type.settings });

/** The type a document names; null when there is none of that name. */
export const detectorType = (name: unknown): DetectorType | null =>
  DETECTOR_TYPES.find(({ type }) => type === name) ?? null;

/** Compiles a document of kind Detector, already of the shape of its type. */
export const compileDetector = (
  document: Readonly<Record<string, unknown>>,
  type: DetectorType,
  source: YamlDocument,
  context: CompileContext,
): Outcome<CompiledDetector> => {
  const report = createReport(source);
  const common = z.object(DETECTOR_COMMON).parse(document);
  const where = common.where === undefined ? null : condition(common.where, ['where'], context, report);
  const head = compileHead(common, type.on, type.requires, type.extras, [where], source, context, report);
  for (const { path, message } of type.problems(document)) report.at(path, message);
  if (report.problems.length > 0) return { judge: null, problems: report.problems };
  return { judge: { ...head, kind: 'detector', type: type.type, where, open: type.build(document) }, problems: [] };
};
