import { criticalPath } from './critical-path.ts';
import { decimalText, parseDecimal } from './decimal.ts';
import type { SpanCostRow, WorkflowSpanRow } from './queries/workflow-path.ts';

/** Steps of one kind, agent and name, over several runs of a workflow. */
export interface WorkflowStep {
  /** null: where no span covers a run, and what is booked for no span: nothing says what it was. */
  readonly step_kind: string | null;
  readonly agent_name: string | null;
  /** The tool, else the span's name. */
  readonly name: string | null;
  /** Spans there are, on a critical path or not. */
  readonly spans: number;
  /** Runs whose end waited for it, of those judged. */
  readonly runs_on_path: number;
  /** Microseconds the ends of the runs waited for it. */
  readonly micros: number;
  /** Decimal text; null: nothing priced is known of it, which is not nothing. */
  readonly cost_usd: string | null;
  readonly calls_without_cost: number;
}

export interface WorkflowPath {
  /** Those the ends waited for longest first. Their times add up to `micros`, their costs to `cost_usd`. */
  readonly steps: readonly WorkflowStep[];
  /** Length of each run, by its id. */
  readonly runs: ReadonlyMap<string, number>;
  readonly micros: number;
  readonly cost_usd: string | null;
  readonly calls_without_cost: number;
  readonly orphans: number;
}

/** What is summed of one step while runs are gone through. */
interface Sum {
  readonly of: Pick<WorkflowStep, 'step_kind' | 'agent_name' | 'name'>;
  spans: number;
  micros: number;
  readonly runs: Set<string>;
  cost: bigint | null;
  withoutCost: number;
}

/**
 * Which steps the runs of a workflow wait for and pay for: the critical path of each run, its stretches summed by what
 * the steps are. A function of the sets of spans and costs. Every moment of every run and every booking is in one step.
 */
export const workflowPath = (spans: readonly WorkflowSpanRow[], costs: readonly SpanCostRow[]): WorkflowPath => {
  const sums = new Map<string, Sum>();
  const sumOf = (span: WorkflowSpanRow | undefined): Sum => {
    const of = {
      step_kind: span?.step_kind ?? null,
      agent_name: span?.agent_name ?? null,
      name: span === undefined ? null : (span.tool_name ?? span.name),
    };
    const key = JSON.stringify([of.step_kind, of.agent_name, of.name]);
    const known = sums.get(key);
    if (known !== undefined) return known;
    const fresh: Sum = { of, spans: 0, micros: 0, runs: new Set(), cost: null, withoutCost: 0 };
    sums.set(key, fresh);
    return fresh;
  };
  const runs = new Map<string, number>();
  let orphans = 0;
  for (const [runId, own] of Map.groupBy(spans, ({ run_id }) => run_id)) {
    const byId = new Map(own.map((span) => [span.span_id, span]));
    for (const span of own) {
      sumOf(span).spans += 1;
      if (span.parent_span_id !== '' && !byId.has(span.parent_span_id)) orphans += 1;
    }
    let length = 0;
    for (const { span_id, start, end } of criticalPath(own)) {
      const sum = sumOf(span_id === null ? undefined : byId.get(span_id));
      sum.micros += end - start;
      sum.runs.add(runId);
      length += end - start;
    }
    runs.set(runId, length);
  }
  addCosts(spans, costs, sumOf);
  const steps = [...sums.values()].map(stepOf).sort(byWeight);
  return {
    steps,
    runs,
    micros: [...runs.values()].reduce((total, length) => total + length, 0),
    cost_usd: totalOf(steps),
    calls_without_cost: steps.reduce((total, { calls_without_cost }) => total + calls_without_cost, 0),
    orphans,
  };
};

const addCosts = (
  spans: readonly WorkflowSpanRow[],
  costs: readonly SpanCostRow[],
  sumOf: (span: WorkflowSpanRow | undefined) => Sum,
): void => {
  const keyOf = ({ run_id, trace_id, span_id }: SpanCostRow | WorkflowSpanRow): string =>
    JSON.stringify([run_id, trace_id, span_id]);
  const byKey = new Map(spans.map((span) => [keyOf(span), span]));
  for (const row of costs) {
    const sum = sumOf(byKey.get(keyOf(row)));
    const cost = row.cost_usd === null ? null : parseDecimal(row.cost_usd);
    if (cost !== null) sum.cost = (sum.cost ?? 0n) + cost;
    sum.withoutCost += row.calls_without_cost;
  }
};

const stepOf = ({ of, spans, micros, runs, cost, withoutCost }: Sum): WorkflowStep => ({
  ...of,
  spans,
  runs_on_path: runs.size,
  micros,
  cost_usd: cost === null ? null : decimalText(cost),
  calls_without_cost: withoutCost,
});

const picos = (cost: string | null): bigint => (cost === null ? 0n : (parseDecimal(cost) ?? 0n));

const byWeight = (a: WorkflowStep, b: WorkflowStep): number => {
  if (a.micros !== b.micros) return b.micros - a.micros;
  const [costA, costB] = [picos(a.cost_usd), picos(b.cost_usd)];
  if (costA !== costB) return costA > costB ? -1 : 1;
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
};

/** The sum of what is known of some steps; null when nothing is. */
export const totalOf = (steps: readonly Pick<WorkflowStep, 'cost_usd'>[]): string | null => {
  const known = steps.filter(({ cost_usd }) => cost_usd !== null);
  return known.length === 0 ? null : decimalText(known.reduce((sum, { cost_usd }) => sum + picos(cost_usd), 0n));
};

/** Parts of a million in which a share of money is told. */
const SHARE_PARTS = 1_000_000n;

/** What part of a cost another one is, 0 to 1 to six places; null where either is not known or there is nothing. */
export const shareOfCost = (part: string | null, whole: string | null): number | null => {
  const total = picos(whole);
  return part === null || total === 0n ? null : Number((picos(part) * SHARE_PARTS) / total) / Number(SHARE_PARTS);
};
