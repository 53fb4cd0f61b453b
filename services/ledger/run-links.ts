import type { AgentStep } from '../../schemas/agent-step.ts';
import { hash128, runKeyOf } from '../../schemas/identity.ts';
import type { StepKind } from '../../schemas/step-kinds.ts';
import type { FoldContext } from '../runtime/stream/fold-task.ts';
import type { TableRows } from '../runtime/stream/types.ts';
import { utcMillisText } from './utc-time.ts';

/** Why a run belongs to the tree of another. */
export type LinkReason = 'hand_off' | 'span_link' | 'conversation' | 'mcp_call' | 'same_call';

/** Told by one step alone: whatever comes later, it stays true, so links are never taken back. */
export interface RunLink {
  readonly root_run_id: string;
  readonly reason: LinkReason;
  readonly session_id: string | null;
}

/** What a link is read off. The ledger's evidence has no facts: links of those are told once per step. */
type LinkTelling = Pick<AgentStep, 'session_id' | 'service' | 'links' | 'step_kind'> &
  Partial<Pick<AgentStep, 'facts'>>;

/** Steps that start or take over another's work: what they link to is where the work came from. */
const HANDING: ReadonlySet<StepKind> = new Set(['agent', 'delegation', 'workflow']);
/** Links taken from one step; a hostile one names thousands. */
const LINKS_PER_STEP_MAX = 16;

/** The other runs a step of `runId` names, each as the run it would be part of. */
export const runLinksOf = (tenantId: string, runId: string, step: LinkTelling): readonly RunLink[] => {
  const links: RunLink[] = [];
  for (const { trace_id } of step.links.slice(0, LINKS_PER_STEP_MAX)) {
    const reason = HANDING.has(step.step_kind) ? 'hand_off' : 'span_link';
    if (trace_id !== '') links.push({ root_run_id: trace_id, reason, session_id: null });
  }
  const { session_id } = step;
  if (session_id !== null && session_id !== '')
    links.push({ root_run_id: runKeyOf(tenantId, '', step.service, session_id), reason: 'conversation', session_id });
  const [session, request] = [step.facts?.['mcp.session'], step.facts?.['jsonrpc.request']];
  if (session && request)
    links.push({ root_run_id: hash128([tenantId, 'mcp', session, request]), reason: 'mcp_call', session_id: null });
  return links.filter(({ root_run_id }) => root_run_id !== runId);
};

/** Rows for the links that new steps tell and nothing held told before, and for runs found to describe a call of this one. */
export const runLinkRows = (
  ids: { readonly tenantId: string; readonly runId: string },
  news: { readonly steps: readonly AgentStep[]; readonly runs: readonly string[] },
  held: Iterable<LinkTelling>,
  context: Omit<FoldContext, 'variant'>,
): TableRows => {
  const told = new Map<string, RunLink>();
  for (const step of news.steps)
    for (const link of runLinksOf(ids.tenantId, ids.runId, step)) told.set(keyOf(link), link);
  if (told.size > 0)
    for (const step of held) for (const link of runLinksOf(ids.tenantId, ids.runId, step)) told.delete(keyOf(link));
  for (const run_id of news.runs) {
    const link: RunLink = { root_run_id: run_id, reason: 'same_call', session_id: null };
    told.set(keyOf(link), link);
  }
  return {
    table: 'run_links',
    identity: ['tenant_id', 'run_id', 'root_run_id', 'reason'],
    rows: [...told.values()].map((link) => ({
      tenant_id: ids.tenantId,
      run_id: ids.runId,
      ...link,
      version: context.version.toString(),
      batch_id: context.batchId,
      logged_at: utcMillisText(context.loggedAtMs),
    })),
  };
};

const keyOf = ({ root_run_id, reason }: RunLink): string => `${reason}|${root_run_id}`;
