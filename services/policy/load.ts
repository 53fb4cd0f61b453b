import type { z } from 'zod';
import { hash128 } from '../../schemas/identity.ts';
import { STEP_KINDS } from '../../schemas/step-kinds.ts';
import { assert } from '../runtime/errors.ts';
import { type CompileContext, compileDetector, compileRule, detectorShape, detectorType } from './compile-judge.ts';
import { createConditions } from './condition.ts';
import { DETECTOR_TYPES } from './detectors/registry.ts';
import { API_VERSION, DOCUMENT_KINDS, LISTS, type ListsDocument, RULE, type RuleDocument } from './document-shapes.ts';
import { mergeLists, type PlacedLists } from './lists.ts';
import { type RuleProblem, sortProblems } from './problem.ts';
import type { CompiledDetector, CompiledRule, RuleSet } from './rule-set.ts';
import { shapeProblems } from './shape-problems.ts';
import { readYaml, type YamlDocument } from './yaml-documents.ts';

/** A rule file as it was found; `problem` when it could not be read as text. */
export interface RuleFile {
  readonly path: string;
  readonly text: string | null;
  readonly problem: string | null;
}

export type LoadOutcome =
  | { readonly kind: 'loaded'; readonly set: RuleSet }
  | { readonly kind: 'refused'; readonly problems: readonly RuleProblem[] };

/** Rules a set holds: each costs time at every step of its kinds. */
const JUDGES_MAX = 1_000;
/** Shown at once; whoever has more begins with these. */
const PROBLEMS_MAX = 500;

/**
 * All or nothing: either every document of every file is read, type-checked and compiled, or the set is refused with all
 * problems at their places. Pure.
 */
export const loadRuleSet = (files: readonly RuleFile[]): LoadOutcome => {
  const problems: RuleProblem[] = [];
  const documents = files.flatMap(({ path, text, problem }) => {
    if (text === null) {
      problems.push({ file: path, line: 0, column: 0, message: problem ?? 'cannot be read' });
      return [];
    }
    const read = readYaml(path, text);
    problems.push(...read.problems);
    return read.documents;
  });
  const misshapen: YamlDocument[] = [];
  const shaped = documents.map((document) => {
    const found = shapeOf(document, problems);
    if (found === null) misshapen.push(document);
    return found;
  });
  const placedLists = shaped.flatMap((each): readonly PlacedLists[] =>
    each?.kind === 'Lists' ? [{ lists: each.document, source: each.source }] : [],
  );
  const { lists, problems: listProblems } = mergeLists(placedLists);
  problems.push(...listProblems);
  const { compile: read, costSpent } = createConditions(lists.types, lists.windows);
  const context: CompileContext = { compile: read, listTypes: lists.types };
  const judges = shaped.flatMap((each) => {
    const compiled = each === null ? null : compile(each, context);
    problems.push(...(compiled?.problems ?? []));
    return compiled?.judge ?? [];
  });
  problems.push(...misshapen.flatMap((source) => conditionProblems(source, context)), ...doubleIds(shaped));
  if (judges.length > JUDGES_MAX)
    problems.push({ file: files[0]?.path ?? '', line: 0, column: 0, message: `at most ${JUDGES_MAX} rules` });
  if (problems.length > 0) return { kind: 'refused', problems: sortProblems(problems).slice(0, PROBLEMS_MAX) };
  const rules = judges.filter((judge) => judge.kind === 'rule');
  const exceptions = rules.flatMap(({ when, unless }) => [...when.reads.lists, ...(unless?.reads.lists ?? [])]);
  return {
    kind: 'loaded',
    set: {
      hash: hashOf(shaped),
      files: Object.fromEntries(files.flatMap(({ path, text }) => (text === null ? [] : [[path, text]]))),
      rules,
      detectors: judges.filter((judge) => judge.kind === 'detector'),
      views: lists.createViews(exceptions.flatMap(exceptionName)),
      forKind: indexByKind(judges),
      unfilledLists: lists.unfilled,
      costSpent,
    },
  };
};

const EXCEPTIONS = 'cfg.exceptions.';
const exceptionName = (name: string): readonly string[] =>
  name.startsWith(EXCEPTIONS) ? [name.slice(EXCEPTIONS.length)] : [];

type Shaped =
  | { readonly kind: 'Rule'; readonly document: RuleDocument; readonly source: YamlDocument }
  | { readonly kind: 'Lists'; readonly document: ListsDocument; readonly source: YamlDocument }
  | { readonly kind: 'Detector'; readonly document: DetectorDocument; readonly source: YamlDocument };
type DetectorDocument = Readonly<Record<string, unknown>> & { readonly id: string };

/** The document as its kind wants it; null when it is not so, with the problems reported. */
const shapeOf = (source: YamlDocument, problems: RuleProblem[]): Shaped | null => {
  const refuse = (path: readonly string[], message: string): null => {
    problems.push({ file: source.file, ...source.placeOf(path), message });
    return null;
  };
  const { value } = source;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse([], `a rule file holds documents that begin with apiVersion: ${API_VERSION}`);
  const head = value as Readonly<Record<string, unknown>>;
  if (head['apiVersion'] !== API_VERSION)
    return refuse(['apiVersion'], `apiVersion is ${JSON.stringify(head['apiVersion'])}; allowed: ${API_VERSION}`);
  switch (head['kind']) {
    case 'Rule': {
      const document = check(RULE, source, problems);
      return document === null ? null : { kind: 'Rule', document, source };
    }
    case 'Lists': {
      const document = check(LISTS, source, problems);
      return document === null ? null : { kind: 'Lists', document, source };
    }
    case 'Detector': {
      const type = detectorType(head['type']);
      const known = DETECTOR_TYPES.map((each) => each.type).join(', ');
      if (type === null) return refuse(['type'], `type is ${JSON.stringify(head['type'])}; allowed: ${known}`);
      const document = check(detectorShape(type), source, problems);
      return document === null ? null : { kind: 'Detector', document: document as DetectorDocument, source };
    }
    default:
      return refuse(['kind'], `kind is ${JSON.stringify(head['kind'])}; allowed: ${DOCUMENT_KINDS.join(', ')}`);
  }
};

const check = <T extends z.ZodType>(shape: T, source: YamlDocument, problems: RuleProblem[]): z.output<T> | null => {
  const parsed = shape.safeParse(source.value);
  if (parsed.success) return parsed.data;
  problems.push(...shapeProblems(source, parsed.error));
  return null;
};

const compile = (
  shaped: Shaped,
  context: CompileContext,
): { readonly judge: CompiledRule | CompiledDetector | null; readonly problems: readonly RuleProblem[] } => {
  switch (shaped.kind) {
    case 'Rule':
      return compileRule(shaped.document, shaped.source, context);
    case 'Detector': {
      const type = detectorType(shaped.document['type']);
      if (type === null) return { judge: null, problems: [] };
      return compileDetector(shaped.document, type, shaped.source, context);
    }
    case 'Lists':
      return { judge: null, problems: [] };
  }
};

/** Of a document of the wrong shape at least the conditions are read, so that one look tells all. */
const conditionProblems = (source: YamlDocument, { compile: read }: CompileContext): readonly RuleProblem[] => {
  const { value, file } = source;
  return ['when', 'unless', 'where'].flatMap((name) => {
    const text = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
    const compiled = typeof text === 'string' ? read(text) : null;
    if (compiled?.kind !== 'wrong') return [];
    return compiled.problems.map(({ offset, message }) => ({
      file,
      ...source.placeOf([name], offset),
      message: `${name}: ${message}`,
    }));
  });
};

const doubleIds = (shaped: readonly (Shaped | null)[]): readonly RuleProblem[] => {
  const seen = new Map<string, YamlDocument>();
  return shaped.flatMap((each) => {
    if (each === null) return [];
    const first = seen.get(each.document.id);
    if (first === undefined) {
      seen.set(each.document.id, each.source);
      return [];
    }
    const { line } = first.placeOf(['id']);
    const message = `id ${each.document.id} is taken by ${first.file}:${line}`;
    return [{ file: each.source.file, ...each.source.placeOf(['id']), message }];
  });
};

/** Tests and descriptions judge nothing, so they change no hash. */
const hashOf = (shaped: readonly (Shaped | null)[]): string => {
  const texts = shaped.flatMap((each) => {
    if (each === null) return [];
    const { tests: _tests, description: _description, ...judging } = each.document as Record<string, unknown>;
    return [canonical(judging)];
  });
  return hash128(texts.sort());
};

/** JSON with sorted keys. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`;
};

const indexByKind = (judges: readonly (CompiledRule | CompiledDetector)[]): RuleSet['forKind'] => {
  const index = new Map(
    STEP_KINDS.map((kind) => {
      const own = judges.filter(({ on }) => on.includes(kind));
      return [
        kind as string,
        {
          rules: own.filter((judge) => judge.kind === 'rule'),
          detectors: own.filter((judge) => judge.kind === 'detector'),
        },
      ];
    }),
  );
  const none = { rules: [], detectors: [] };
  return (kind) => index.get(kind) ?? none;
};

/** The set that judges nothing: what is in force until there is one. */
export const emptyRuleSet = (): RuleSet => {
  const outcome = loadRuleSet([]);
  assert(outcome.kind === 'loaded', 'the empty rule set is sound');
  return outcome.set;
};
