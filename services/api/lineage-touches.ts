import type { ApiContext } from './deps.ts';
import type { NodeName } from './queries/lineage.ts';
import {
  type FlowLevel,
  type RunContextRow,
  runContextQuery,
  type TouchRow,
  touchesQuery,
} from './queries/lineage-flow.ts';
import type { TimeRange } from './queries/query.ts';
import { read } from './reads.ts';

/** On whose behalf something was done. 'agent': its agent says so; 'run': some step of the run does; 'unknown': none. */
export interface Behalf {
  readonly users: readonly string[];
  readonly told_by: 'agent' | 'run' | 'unknown';
}

/** One reading or writing of a node by one tool, agent or bare run. */
export interface Touch {
  readonly run_id: string;
  readonly way: 'reads' | 'writes';
  /** null: nothing tells which tool. */
  readonly tool: string | null;
  /** Empty: no agent is told. */
  readonly agents: readonly string[];
  readonly on_behalf_of: Behalf;
  readonly operations: readonly string[];
  readonly columns: readonly string[];
  /** Of a writing: what the node derives from in this run. Empty says only that nothing was told. */
  readonly sources: readonly (NodeName & { readonly evidence_level: FlowLevel })[];
  readonly flags: readonly string[];
  readonly ts: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly step_id: string;
}

export interface Touches {
  readonly touches: readonly Touch[];
  readonly truncated: boolean;
}

/** Run ids that travel in one query's address. */
const RUNS_PER_QUERY = 150;

/** Who read or wrote a node, the latest first: with tool, agents, on whose behalf, and from what. */
export const readTouches = async (
  context: ApiContext,
  ask: {
    readonly tenant: string;
    readonly node: NodeName;
    readonly ways: readonly ('reads' | 'writes')[];
    readonly range: TimeRange;
    readonly limit: number;
  },
): Promise<Touches> => {
  const rows = await read<TouchRow>(context, touchesQuery(ask));
  const kept = rows.slice(0, ask.limit);
  const runIds = [...new Set(kept.map(({ run_id }) => run_id))];
  const told: RunContextRow[] = [];
  // A run may begin before the range and say only at its beginning whom it serves.
  const range = { fromMs: ask.range.fromMs - RUN_MS_MAX, toMs: ask.range.toMs + RUN_MS_MAX };
  for (let at = 0; at < runIds.length; at += RUNS_PER_QUERY) {
    const piece = runIds.slice(at, at + RUNS_PER_QUERY);
    told.push(...(await read<RunContextRow>(context, runContextQuery({ ...ask, range, runIds: piece }))));
  }
  const byRun = Map.groupBy(told, ({ run_id }) => run_id);
  return {
    touches: kept.map((row) => touchOf(row, byRun.get(row.run_id) ?? [])),
    truncated: rows.length > ask.limit,
  };
};

/** Longest a run is believed to last around the moment of one of its steps. */
const RUN_MS_MAX = 7 * 86_400_000;

const touchOf = (row: TouchRow, told: readonly RunContextRow[]): Touch => {
  const agents = row.from_kind === 'agent' ? [row.from_id] : valuesOf(row.from_fields, 'agent');
  return {
    run_id: row.run_id,
    way: row.way,
    tool: row.from_kind === 'tool' ? row.from_id : null,
    agents,
    on_behalf_of: behalfOf(agents, told),
    operations: valuesOf(row.to_fields, 'operation'),
    columns: valuesOf(row.to_fields, 'column'),
    sources:
      row.way === 'reads'
        ? []
        : told
            .filter(({ edge }) => edge === 'derives')
            .map(({ from_kind, from_id, evidence_level }) => ({ kind: from_kind, id: from_id, evidence_level })),
    flags: row.flags,
    ts: row.ts,
    trace_id: row.trace_id,
    span_id: row.span_id,
    step_id: row.step_id,
  };
};

const valuesOf = (fields: readonly string[], name: string): readonly string[] =>
  fields.filter((field) => field.startsWith(`${name}=`)).map((field) => field.slice(name.length + 1));

/** The users of these agents, else of those who delegated to them, else of the run. */
const behalfOf = (agents: readonly string[], told: readonly RunContextRow[]): Behalf => {
  const actsFor = told.filter(({ edge }) => edge === 'acts_for');
  const above = new Set<string>();
  let asking: readonly string[] = agents;
  while (asking.length > 0) {
    const users = actsFor.filter(({ from_kind, from_id }) => from_kind === 'agent' && asking.includes(from_id));
    if (users.length > 0) return { users: usersOf(users), told_by: 'agent' };
    for (const name of asking) above.add(name);
    const here = asking;
    asking = told
      .filter(({ edge, to_id }) => edge === 'delegates' && here.includes(to_id))
      .map(({ from_id }) => from_id)
      .filter((name) => !above.has(name));
  }
  return actsFor.length === 0 ? { users: [], told_by: 'unknown' } : { users: usersOf(actsFor), told_by: 'run' };
};

const usersOf = (rows: readonly RunContextRow[]): readonly string[] =>
  [...new Set(rows.map(({ to_id }) => to_id))].sort();
