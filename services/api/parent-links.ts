import type { ApiContext } from './deps.ts';
import {
  childRunsQuery,
  type OrphanRow,
  orphansQuery,
  type ParentRow,
  parentsQuery,
  runBoundsQuery,
} from './queries/parent-links.ts';
import type { RunLinkRow } from './queries/run-links.ts';
import { read } from './reads.ts';

/** A child may begin this much before its parent by the clocks of two machines. */
const CLOCK_SKEW_MS = 60_000;

/**
 * Links between these runs and those of other traces that a parent span joins, in either direction: from what is stored
 * now, so a parent that comes late joins its children when it is there. Bounded in time, rows and runs (queries/
 * parent-links.ts); an id that two runs have, and a parent younger than its child, join nothing.
 */
export const readParentLinks = async (
  context: ApiContext,
  tenant: string,
  runIds: readonly string[],
): Promise<readonly RunLinkRow[]> => {
  const [bounds] = await read<{ from_ms: number | null; to_ms: number | null }>(
    context,
    runBoundsQuery({ tenant, runIds }),
  );
  if (bounds === undefined || bounds.from_ms === null || bounds.to_ms === null) return [];
  const where = { tenant, fromMs: bounds.from_ms, toMs: bounds.to_ms };
  const children = await read<{ run_id: string }>(context, childRunsQuery({ ...where, runIds }));
  const searched = { ...where, runIds: [...runIds, ...children.map((child) => child.run_id)] };
  const orphans = await read<OrphanRow>(context, orphansQuery(searched));
  if (orphans.length === 0) return [];
  const spanIds = [...new Set(orphans.map((orphan) => orphan.parent_span_id))];
  const parents = await read<ParentRow>(context, parentsQuery({ ...where, spanIds }));
  const parentOf = new Map(parents.map((parent) => [parent.span_id, parent]));
  return orphans.flatMap(({ run_id, parent_span_id, began_ms }) => {
    const parent = parentOf.get(parent_span_id);
    if (parent === undefined || parent.run_id === run_id || parent.began_ms > began_ms + CLOCK_SKEW_MS) return [];
    return [{ run_id, root_run_id: parent.run_id, reason: 'parent_span', session_id: null }];
  });
};
