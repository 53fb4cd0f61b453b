import type { AgentStep } from '../../schemas/agent-step.ts';
import type { LineageEdge } from '../../schemas/lineage-edge.ts';
import { LINEAGE_LIMITS, type LineageLimits } from './limits.ts';
import { stepRun } from './run-step.ts';
import { emptyState, type LineageState, parseState, serialiseState } from './state.ts';

/** A driver for the tests of lineage. */

export interface Ran {
  readonly state: LineageState;
  readonly rows: readonly LineageEdge[];
}

/** Runs batches through the fold, with a round trip of the state through its text between any two of them. */
export const runBatches = (
  batches: readonly (readonly AgentStep[])[],
  over: Partial<LineageLimits> = {},
  key = 'acme|run-1',
): Ran => {
  const limits = { ...LINEAGE_LIMITS, ...over };
  let state = emptyState(key);
  const rows: LineageEdge[] = [];
  for (const [at, batch] of batches.entries()) {
    const context = { batchId: `batch-${at}`, loggedAtMs: 1_795_000_002_000 + at * 500 };
    const result = stepRun(parseState(serialiseState(state)), batch, context, limits);
    state = result.state;
    for (const table of result.tables) rows.push(...(table.rows as readonly unknown[] as readonly LineageEdge[]));
  }
  return { state, rows };
};

type NetEdge = Omit<LineageEdge, 'edge_id' | 'weight' | 'reverses_edge_id' | 'batch_id' | 'logged_at'>;

/** Edges in force: without those taken back, and without the circumstances of writing. */
export const netEdges = (rows: readonly LineageEdge[]): readonly NetEdge[] => {
  const reversed = new Set(rows.map((row) => row.reverses_edge_id));
  return rows
    .filter((row) => row.weight === 1 && !reversed.has(row.edge_id))
    .map(({ edge_id: _e, weight: _w, reverses_edge_id: _r, batch_id: _b, logged_at: _l, ...edge }) => edge)
    .sort((a, b) => (edgeText(a) < edgeText(b) ? -1 : 1));
};

/** `agent:triage delegates agent:refunds [fields] (flags)`, with `run` for the run itself: for reading. */
export const edgeText = (edge: NetEdge): string => {
  const name = (kind: string, id: string): string => (kind === 'run' && id === edge.run_id ? 'run' : `${kind}:${id}`);
  const fields = edge.to_fields.length === 0 ? '' : ` [${edge.to_fields.join(', ')}]`;
  const flags = edge.flags.length === 0 ? '' : ` (${edge.flags.join(', ')})`;
  return `${name(edge.from_kind, edge.from_id)} ${edge.edge} ${name(edge.to_kind, edge.to_id)}${fields}${flags}`;
};
