import { decimalText, parseDecimal } from './decimal.ts';
import type { ModelInputRow, PathSpanRow } from './queries/critical-path.ts';

/** Work that was done and not needed, with what was booked for it and below it. */
export interface Waste {
  /** 'repeated_call': the same tool with the same arguments, answered before. 'unused_output': no model was shown it. */
  readonly reason: 'repeated_call' | 'unused_output';
  readonly tool: string;
  /** Steps that were wasted; of repetitions all but the first. */
  readonly step_ids: readonly string[];
  readonly micros: number;
  /** Decimal text; null: nothing priced is known of it, which is not nothing. */
  readonly cost_usd: string | null;
}

export interface RunWaste {
  readonly found: readonly Waste[];
  /** Tool calls that could be judged for each reason, and how many there are: the rest is unknown. */
  readonly tool_calls: number;
  readonly with_arguments: number;
  readonly with_results: number;
  /** Whether any model of the run shows what tool results it was given; without, unused outputs are not known. */
  readonly inputs_told: boolean;
}

/** Finds repeated calls and outputs nobody looked at, from hashes: the order of spans does not matter. */
export const wasteOf = (spans: readonly PathSpanRow[], inputs: readonly ModelInputRow[]): RunWaste => {
  const tools = spans.filter((span) => span.step_kind === 'tool' && span.tool_name !== null);
  const costOf = costsBelow(spans);
  const repeated = [
    ...Map.groupBy(tools.filter(isComparable), ({ tool_name, arguments_hash }) =>
      JSON.stringify([tool_name, arguments_hash]),
    ).values(),
  ].flatMap((calls) => wasted('repeated_call', repetitionsIn(calls), costOf));
  const shown = new Map(inputs.map(({ content_hash, last }) => [content_hash, last]));
  const unseen = tools.filter(
    ({ status, result_hash, end }) =>
      status !== 'error' && result_hash !== null && (shown.get(result_hash) ?? -Infinity) < end,
  );
  const unused = [...Map.groupBy(unseen, ({ tool_name }) => tool_name).values()].flatMap((calls) =>
    wasted('unused_output', calls, costOf),
  );
  return {
    found: [...repeated, ...(inputs.length === 0 ? [] : unused)],
    tool_calls: tools.length,
    with_arguments: tools.filter(({ arguments_hash }) => arguments_hash !== null).length,
    with_results: tools.filter(({ result_hash }) => result_hash !== null).length,
    inputs_told: inputs.length > 0,
  };
};

const isComparable = ({ arguments_hash, status }: PathSpanRow): boolean =>
  arguments_hash !== null && status !== 'error';

/** Calls that began after an equal one had its answer, which was the same where both are told: asking again told nothing. */
const repetitionsIn = (calls: readonly PathSpanRow[]): readonly PathSpanRow[] => {
  const inOrder = [...calls].sort((a, b) => a.start - b.start || (a.span_id < b.span_id ? -1 : 1));
  // By result ('': not told, like any other), when the first of them had it.
  const answered = new Map<string, number>();
  return inOrder.filter((call) => {
    const result = call.result_hash ?? '';
    const known = result === '' ? [...answered.values()] : [answered.get(result), answered.get('')];
    answered.set(result, Math.min(call.end, answered.get(result) ?? Infinity));
    return known.some((end) => end !== undefined && end <= call.start);
  });
};

const wasted = (
  reason: Waste['reason'],
  calls: readonly PathSpanRow[],
  costOf: (span: PathSpanRow) => string | null,
): readonly Waste[] => {
  const [first] = calls;
  if (first === undefined) return [];
  return [
    {
      reason,
      tool: first.tool_name ?? '',
      step_ids: calls.map(({ step_id }) => step_id),
      micros: calls.reduce((sum, { start, end }) => sum + end - start, 0),
      cost_usd: sumOf(calls.map(costOf)),
    },
  ];
};

const sumOf = (costs: readonly (string | null)[]): string | null => {
  const known = costs.filter((cost) => cost !== null);
  return known.length === 0 ? null : decimalText(known.reduce((sum, cost) => sum + (parseDecimal(cost) ?? 0n), 0n));
};

/** What was booked for a span and all below it. */
const costsBelow = (spans: readonly PathSpanRow[]): ((span: PathSpanRow) => string | null) => {
  const below = Map.groupBy(spans, ({ trace_id, parent_span_id }) => `${trace_id}|${parent_span_id}`);
  return (span) => {
    const costs: (string | null)[] = [];
    const open = [span];
    const seen = new Set<string>();
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at.span_id)) continue;
      seen.add(at.span_id);
      costs.push(at.cost_usd);
      open.push(...(below.get(`${at.trace_id}|${at.span_id}`) ?? []));
    }
    return sumOf(costs);
  };
};
