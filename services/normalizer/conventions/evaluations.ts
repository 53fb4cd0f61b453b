import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import { field, isObject, type Json, jsonOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import { asBool, asText, jsonAttr } from './values.ts';

/**
 * Evaluations that a span tells of itself, of its trace or of its session, whoever wrote the span:
 *
 * | who | where |
 * |---|---|
 * | OpenInference (spec/feedback/annotations.md), Phoenix | `annotations.N.annotation.<field>`, `evaluations.N.evaluation.<field>`; with `trace.` or `session.` before them of the trace or the session |
 * | OTel (gen-ai-events.md), where there are no log records | span events `gen_ai.evaluation.result` |
 * | Pydantic Evals, offline | `scores`, `labels`, `assertions` on the span of a case: JSON, by name; scope `pydantic-evals` |
 * | Phoenix (tracing reference, EVALUATOR spans) | `metadata.evaluator_name`, `.score`, `.label` |
 *
 * Not here, for they are documented as calls to an API and not as telemetry: scores of Langfuse, of Mastra, of LangSmith.
 * They become facts `evaluation.<n>.<what>`, the first that is told first. Explanations are content and no facts.
 */
export const readEvaluations = (view: SpanView): Readonly<Record<string, string>> => {
  const found = [...readFlattened(view), ...readEvents(view), ...readCase(view), ...readMetadata(view)];
  if (found.length === 0) return NO_FACTS;
  const facts: Record<string, string> = {};
  for (const [n, told] of found.slice(0, EVALUATIONS_MAX).entries()) {
    for (const what of WHATS) {
      const text = told[what];
      if (text !== undefined && text !== '') facts[`evaluation.${n}.${what}`] = text;
    }
  }
  return facts;
};

const NO_FACTS: Readonly<Record<string, string>> = {};
/** Evaluations taken from one span. Suites of evaluators have about a dozen. */
const EVALUATIONS_MAX = 32;

const WHATS = ['name', 'value', 'label', 'by', 'of'] as const;
/** `of`: 'trace' or 'session'; left out where it is about a span. */
type Told = { readonly [What in (typeof WHATS)[number]]?: string | undefined };

// -------------------------------------------------------------- OpenInference

const FLATTENED =
  /^(?:(trace|session)\.)?(?:(annotations)|evaluations)\.(\d{1,4})\.(annotation|evaluation)\.([a-z_]+)$/;
/** A field of the specification, and what it is here. `identifier` names the judge closer than its kind does. */
const WHAT_OF_FIELD: ReadonlyMap<string, 'name' | 'value' | 'label' | 'kind' | 'by'> = new Map([
  ['name', 'name'],
  ['score', 'value'],
  ['label', 'label'],
  ['annotator_kind', 'kind'],
  ['identifier', 'by'],
]);

interface FlattenedPlace {
  readonly place: number;
  /** Which of the lists, and which of its entries. */
  readonly entry: string;
  readonly of: string | undefined;
  readonly what: 'name' | 'value' | 'label' | 'kind' | 'by';
}

const FLATTENED_KEYS = new KeyQuestion((keys): readonly FlattenedPlace[] =>
  keys.flatMap((key, place) => {
    const match = FLATTENED.exec(key);
    if (match === null) return [];
    const [, of, annotations, index = '', word, name = ''] = match;
    const what = WHAT_OF_FIELD.get(name);
    const isAnnotation = annotations !== undefined;
    if (what === undefined || isAnnotation !== (word === 'annotation')) return [];
    return [{ place, entry: `${of ?? ''}|${isAnnotation}|${Number(index)}`, of, what }];
  }),
);

const readFlattened = (view: SpanView): readonly Told[] => {
  const places = view.ask(FLATTENED_KEYS);
  if (places.length === 0) return NOTHING;
  const entries = new Map<string, Draft>();
  for (const { place, entry, of, what } of places) {
    const text = asText(view.at(place));
    if (text === undefined) continue;
    const told: Draft = entries.get(entry) ?? { of };
    told[what] = text;
    entries.set(entry, told);
  }
  return withoutRepeated([...entries.values()].map(({ kind, by, ...told }) => ({ ...told, by: by ?? kind })));
};
type Draft = { -readonly [What in keyof Told]: Told[What] } & { kind?: string };
const NOTHING: readonly Told[] = [];

/** A result may be told as an annotation and as an evaluation. */
const withoutRepeated = (all: readonly Told[]): readonly Told[] => [
  ...new Map(all.map((told) => [JSON.stringify(WHATS.map((what) => told[what] ?? null)), told])).values(),
];

// ------------------------------------------------------------------------ OTel

const readEvents = (view: SpanView): readonly Told[] => {
  const events = view.events();
  if (events.length === 0) return NOTHING;
  return events
    .filter(({ name }) => name === 'gen_ai.evaluation.result')
    .map(({ attributes }) => ({
      name: asText(attributes.get('gen_ai.evaluation.name')),
      value: asText(attributes.get('gen_ai.evaluation.score.value')),
      label: asText(attributes.get('gen_ai.evaluation.score.label')),
    }));
};

// -------------------------------------------------------------- Pydantic Evals

const CASE_LISTS = ['scores', 'labels', 'assertions'] as const;

const readCase = (view: SpanView): readonly Told[] => {
  if (view.scope.name !== 'pydantic-evals') return NOTHING;
  return CASE_LISTS.flatMap((list) => {
    const results = jsonAttr(view, list);
    if (!isObject(results)) return [];
    return Object.entries(results).flatMap(([name, result]) => {
      const value = isObject(result) ? field(result, 'value') : result;
      return value === undefined ? [] : [{ name, ...resultOf(value) }];
    });
  });
};

/** An assertion holds or not: both the number and the word, as Pydantic Evals writes its events. */
const resultOf = (value: Json): Told => {
  const holds = typeof value === 'boolean' ? asBool(value) : undefined;
  if (holds !== undefined) return { value: holds ? '1' : '0', label: holds ? 'pass' : 'fail' };
  return typeof value === 'number' || typeof value === 'string' ? { value: String(value) } : {};
};

// --------------------------------------------------------------------- Phoenix

const METADATA = new KeyQuestion((_keys, placeOf) => {
  const [name, value, label] = ['evaluator_name', 'score', 'label'].map((word) => placeOf(`metadata.${word}`));
  return { name: name ?? -1, value: value ?? -1, label: label ?? -1 };
});

const readMetadata = (view: SpanView): readonly Told[] => {
  const { name, value, label } = view.ask(METADATA);
  if (name < 0 || (value < 0 && label < 0)) return NOTHING;
  const textAt = (place: number) => (place < 0 ? undefined : asText(jsonOf(view.at(place))));
  return [{ name: textAt(name), value: textAt(value), label: textAt(label), by: textAt(name) }];
};
