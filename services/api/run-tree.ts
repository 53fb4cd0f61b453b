import type { ApiContext } from './deps.ts';
import { readParentLinks } from './parent-links.ts';
import { runTotalsQuery } from './queries/bookings.ts';
import type { Figures } from './queries/figures.ts';
import { type RunLinkRow, runLinksQuery, runsOfIdsQuery } from './queries/run-links.ts';
import type { RunRow } from './queries/runs.ts';
import { onlyTotal, read } from './reads.ts';

/** Runs of one tree that are read: a conversation may have thousands, and a page is read by a person. */
const TREE_RUNS_MAX = 300;
/** How far a tree is followed, counted in links: A links to B, which shares a conversation with C, and so on. */
const ROUNDS_MAX = 8;
const LINKS_MAX = 2000;
/** Rounds in which parents in other traces are looked for as well: a search of spans costs more than one of links. */
const PARENT_ROUNDS_MAX = 3;

/** Runs that belong together, as far as what is stored says so. */
export interface RunTree {
  /** The run the work began with: of those that were handed nothing by another, the earliest. */
  readonly root_run_id: string;
  /** Oldest first; linked runs that nobody stored are only in `links`. */
  readonly runs: readonly RunRow[];
  readonly links: readonly RunLinkRow[];
  readonly totals: Figures;
  /** More belongs to it than was read. */
  readonly is_cut: boolean;
}

/** The tree a run stands in, itself included. */
export const readRunTree = async (context: ApiContext, tenant: string, runId: string): Promise<RunTree> => {
  const { ids, links, isCut } = await followLinks(context, tenant, runId);
  const runIds = [...ids];
  const [runs, totals] = await Promise.all([
    read<RunRow>(context, runsOfIdsQuery({ tenant, runIds })),
    read<Figures>(context, runTotalsQuery({ tenant, runIds })),
  ]);
  return { root_run_id: rootOf(runs, links) ?? runId, runs, links, totals: onlyTotal(totals), is_cut: isCut };
};

/** Runs of a session that are asked for runs below them. */
const SESSION_PARENTS_MAX = 300;

/**
 * The runs of a session, oldest first, with those that a parent span in one of them joins and that name no session of their
 * own: of one tenant, and no further than one trace below.
 */
export const withRunsBelow = async (context: ApiContext, runs: readonly RunRow[]): Promise<readonly RunRow[]> => {
  const tenant = runs[0]?.tenant_id;
  if (tenant === undefined || runs.some((run) => run.tenant_id !== tenant)) return runs;
  const ids = new Set(runs.map((run) => run.run_id));
  const links = await readParentLinks(context, tenant, [...ids].slice(0, SESSION_PARENTS_MAX));
  const below = links.filter((link) => ids.has(link.root_run_id) && !ids.has(link.run_id)).map((link) => link.run_id);
  if (below.length === 0) return runs;
  const found = await read<RunRow>(context, runsOfIdsQuery({ tenant, runIds: [...new Set(below)] }));
  const joined = found.filter((run) => run.session_id === null || run.session_id === '');
  return [...runs, ...joined].sort((a, b) => (a.first_ts < b.first_ts ? -1 : a.first_ts > b.first_ts ? 1 : 0));
};

const followLinks = async (context: ApiContext, tenant: string, runId: string) => {
  const ids = new Set([runId]);
  const links = new Map<string, RunLinkRow>();
  let frontier: readonly string[] = [runId];
  let isCut = false;
  for (let round = 0; frontier.length > 0 && !isCut; round += 1) {
    const [told, above] = await Promise.all([
      read<RunLinkRow>(context, runLinksQuery({ tenant, runIds: frontier, limit: LINKS_MAX + 1 })),
      round < PARENT_ROUNDS_MAX ? readParentLinks(context, tenant, frontier) : [],
    ]);
    const found = [...told, ...above];
    for (const link of found.slice(0, LINKS_MAX))
      links.set([link.run_id, link.root_run_id, link.reason].join('|'), link);
    const next = [...new Set(found.flatMap((link) => [link.run_id, link.root_run_id]))].filter((id) => !ids.has(id));
    frontier = next.slice(0, TREE_RUNS_MAX - ids.size);
    for (const id of frontier) ids.add(id);
    isCut = found.length > LINKS_MAX || frontier.length < next.length || (round + 1 >= ROUNDS_MAX && next.length > 0);
  }
  return { ids, links: [...links.values()], isCut };
};

/** Links that say where work came from; a conversation joins without an order. */
const DIRECTED: ReadonlySet<string> = new Set(['hand_off', 'span_link', 'same_call', 'parent_span']);

/** null when not one run of the tree is stored. Runs come oldest first. */
export const rootOf = (
  runs: readonly Pick<RunRow, 'run_id'>[],
  links: readonly Pick<RunLinkRow, 'run_id' | 'root_run_id' | 'reason'>[],
): string | null => {
  const stored = new Set(runs.map((run) => run.run_id));
  const handed = new Set(
    links.filter((link) => DIRECTED.has(link.reason) && stored.has(link.root_run_id)).map((link) => link.run_id),
  );
  return (runs.find((run) => !handed.has(run.run_id)) ?? runs[0])?.run_id ?? null;
};
