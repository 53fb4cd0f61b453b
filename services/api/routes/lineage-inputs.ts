import { z } from 'zod';
import { NODE_KINDS } from '../../../schemas/lineage-edge.ts';
import type { ApiContext } from '../deps.ts';
import { walkFlow } from '../lineage-flow.ts';
import { nodeText, parseNode, type WalkAsk } from '../lineage-reads.ts';
import { FLOW_LEVELS, type FlowLevel } from '../queries/lineage-flow.ts';
import { type FlowGapsRow, flowGapsQuery } from '../queries/lineage-gaps.ts';
import type { TimeRange } from '../queries/query.ts';
import { read } from '../reads.ts';
import { isoOf } from '../time.ts';
import { momentInput, rangeOf } from './inputs.ts';

const DAY_MS = 86_400_000;
/** Lineage is asked across runs: a day shows too few of them. */
const RANGE_DAYS = 30;
/** `KIND:ID` with the longest id a name can have. */
const NODE_CHARS_MAX = 1_024;

export const nodeInput = z
  .string()
  .min(1)
  .max(NODE_CHARS_MAX)
  .describe(
    'KIND:ID; KIND ends at the first colon, ID may hold anything: `dataset:postgres://db:5432/shop.public.orders`.',
  );

export const nodeShape = z.object({
  node: z.string().describe('KIND:ID'),
  kind: z.enum(NODE_KINDS),
  id: z.string(),
});

/** The range asked for; without `from` it begins a month before its end. */
export const lineageRange = (
  input: { from?: string | undefined; to?: string | undefined },
  nowMs: number,
): TimeRange => {
  const range = rangeOf(input, nowMs);
  return input.from === undefined ? { fromMs: range.toMs - RANGE_DAYS * DAY_MS, toMs: range.toMs } : range;
};

export const rangeInputs = {
  from: momentInput(`Edges whose first step is at or after this moment; default: ${RANGE_DAYS} days before \`to\`.`),
  to: momentInput('Default: now.'),
};

export const evidenceInput = z
  .enum(FLOW_LEVELS)
  .default('order')
  .describe('Least evidence a derivation needs: order (read before written), context (by one agent), value.');

/** The levels that prove at least so much. */
export const levelsFrom = (least: FlowLevel): readonly FlowLevel[] => FLOW_LEVELS.slice(FLOW_LEVELS.indexOf(least));

const MICROS_PER_MS = 1_000;

/** Microseconds since 1970 as ISO 8601 with milliseconds. */
export const isoOfMicros = (micros: number): string => isoOf(Math.floor(micros / MICROS_PER_MS));

/** A walk along the data, both ways if asked for, as the route answers it. */
export const followData = async (context: ApiContext, ask: WalkAsk, levels: readonly FlowLevel[]) => {
  const ways = ask.direction === 'both' ? (['up', 'down'] as const) : [ask.direction];
  const flows = await Promise.all(ways.map((direction) => walkFlow(context, { ...ask, direction, levels })));
  const nodes = flows.flatMap(({ reached }, at) =>
    [...reached].map(([key, { distance, micros }]) => ({
      node: key,
      ...parseNode(key),
      distance: ways[at] === 'up' ? 0 - distance : distance,
      ...(distance === 0 ? {} : { since: isoOfMicros(micros) }),
    })),
  );
  const edges = flows.flatMap((flow) => flow.edges);
  const byEnds = new Map(
    edges.map((edge) => [`${edge.from_kind}:${edge.from_id}\n${edge.to_kind}:${edge.to_id}`, edge]),
  );
  const focus = nodeText(ask.node);
  return {
    nodes: nodes.filter((node, at) => node.node !== focus || at === 0),
    edges: [...byEnds.values()].map(({ times: _times, ...edge }) => ({ ...edge, edge: 'derives' as const })),
    truncated: flows.some(({ truncated }) => truncated),
  };
};

/** Gaps are counted over the end of a range: over a month of a large site the count costs more than the answer. */
const GAPS_MS_MAX = DAY_MS;

/** What the telemetry of a range leaves out of the flow of data. */
export const flowGapsShape = z
  .object({
    from: z.string().describe('Counted from here on: the last day of the range.'),
    data_without_name: z.number().describe('Retrievals and data accesses that do not say of what.'),
    sql_unparsed: z.number().describe('Touches by statements no grammar took: tables by words alone, or the database.'),
    from_arguments: z.number().describe('Touches only the arguments of a tool tell: of which database is not known.'),
    without_agent: z.number().describe('Touches of data that no agent is told for.'),
    parent_missing: z.number().describe('Touches whose steps above have not come.'),
    more: z.number().describe('Edges that stand for all beyond the number kept of one run.'),
    tools_without_data: z
      .number()
      .describe('Tools that were invoked and of which nothing says what they touched: not that they touched nothing.'),
  })
  .describe('What is not known in the range: nothing found is not the same as nothing there.');

const NO_GAPS: FlowGapsRow = {
  sql_unparsed: 0,
  from_arguments: 0,
  without_agent: 0,
  parent_missing: 0,
  more: 0,
  tools_without_data: 0,
  data_without_name: 0,
};

/** Counts over the last day of a range, of one tenant. */
export const readFlowGaps = async (context: ApiContext, tenant: string, range: TimeRange) => {
  const fromMs = Math.max(range.fromMs, range.toMs - GAPS_MS_MAX);
  const [gaps = NO_GAPS] = await read<FlowGapsRow>(
    context,
    flowGapsQuery({ tenant, range: { fromMs, toMs: range.toMs } }),
  );
  return { from: isoOf(fromMs), ...gaps };
};
