import type { TestEngine } from '../support/engine.ts';
import { ask, type Frame, onlyField } from './frames.ts';

/** One alert instance of a rule: its labels and the number that was compared. */
export interface Instance {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly isFiring: boolean;
}

export interface Evaluation {
  /** What the rule is for Grafana: with no instance at all it is in its no-data state. */
  readonly state: 'Normal' | 'Alerting' | 'NoData';
  readonly instances: readonly Instance[];
}

interface RuleModel {
  readonly data: readonly {
    readonly refId: string;
    readonly datasourceUid: string;
    readonly relativeTimeRange: { readonly from: number; readonly to: number };
    readonly model: Readonly<Record<string, unknown>>;
  }[];
  readonly condition: string;
}

/**
 * Evaluates a rule as Grafana's expression engine does: A is a table with exactly one number, its strings are labels;
 * B passes numbers through and drops what is none; C compares. Throws what the engine refuses.
 */
export const evaluate = async (engine: TestEngine, rule: RuleModel, nowMs: number): Promise<Evaluation> => {
  const [query, reduce, threshold, ...more] = rule.data;
  if (query === undefined || reduce === undefined || threshold === undefined || more.length > 0)
    throw new Error('a rule is a query, a reduction, a threshold');
  if (reduce.model['type'] !== 'reduce' || reduce.model['expression'] !== query.refId) throw new Error('B reduces A');
  if (threshold.model['type'] !== 'threshold' || threshold.model['expression'] !== reduce.refId)
    throw new Error('C compares B');
  if (rule.condition !== threshold.refId) throw new Error('the condition is C');
  const { from, to } = query.relativeTimeRange;
  const frame = await ask(
    engine,
    String(query.model['rawSql']),
    { fromMs: nowMs - from * 1000, toMs: nowMs - to * 1000, intervalMs: Number(query.model['intervalMs']) },
    // No variables in alerts: naming one throws.
    {},
  );
  const limit = limitOf(threshold.model);
  const instances = numbersOf(frame)
    .filter(({ value }) => Number.isFinite(value))
    .map(({ labels, value }) => ({ labels, value, isFiring: value > limit }));
  return { state: stateOf(instances), instances };
};

const stateOf = (instances: readonly Instance[]): Evaluation['state'] => {
  if (instances.length === 0) return 'NoData';
  return instances.some((instance) => instance.isFiring) ? 'Alerting' : 'Normal';
};

const limitOf = (model: Readonly<Record<string, unknown>>): number => {
  const [condition] = model['conditions'] as readonly { evaluator: { type: string; params: readonly number[] } }[];
  if (condition?.evaluator.type !== 'gt' || condition.evaluator.params.length !== 1)
    throw new Error('one number, above');
  return Number(condition.evaluator.params[0]);
};

const numbersOf = (frame: Frame): readonly { labels: Readonly<Record<string, string>>; value: number }[] => {
  const strings = frame.fields.filter((field) => field.kind === 'string');
  if (strings.length + 1 !== frame.fields.length)
    throw new Error('input data must be a wide series but got type long: one number, otherwise strings');
  const numbers = onlyField(frame, 'number');
  const all = Array.from({ length: frame.rows }, (_, row) => ({
    labels: Object.fromEntries(strings.map((field) => [field.name, String(field.values[row])])),
    value: numbers.values[row] === null ? Number.NaN : Number(numbers.values[row]),
  }));
  if (new Set(all.map(({ labels }) => JSON.stringify(labels))).size !== all.length)
    throw new Error('two rows have the same labels');
  return all;
};
