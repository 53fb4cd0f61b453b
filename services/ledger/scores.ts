import type { AgentStep } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import type { FoldContext } from '../runtime/stream/fold-task.ts';
import type { TableRows } from '../runtime/stream/types.ts';
import { utcMicrosText, utcMillisText } from './utc-time.ts';

/** Names and labels are for lists and charts; longer ones are cut. */
const TEXT_CHARS_MAX = 200;
/** A decimal number as emitters write one; anything else told as a value is a label. */
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/**
 * Rows for the evaluations that newly come steps tell (facts `evaluation.*`): one a step, for a step tells one. Steps are
 * new once, so rows are; one that is read anew says it again under the same id. Nobody's explanation is stored here: it quotes what was judged, which needs another grant.
 */
export const scoreRows = (news: readonly AgentStep[], context: Omit<FoldContext, 'variant'>): TableRows => ({
  table: 'scores',
  identity: ['score_id'],
  rows: news.flatMap((step) => {
    const score = scoreOf(step);
    if (score === null) return [];
    const isSpan = step.signal === 'span';
    return [
      {
        score_id: hash128([step.tenant_id, step.step_id, 'score']),
        tenant_id: step.tenant_id,
        ts: utcMicrosText(step.start_unix_micros),
        run_id: step.run_id,
        trace_id: step.trace_id,
        span_id: isSpan ? step.parent_span_id : step.span_id,
        step_id: step.step_id,
        session_id: step.session_id,
        response_id: step.response_id,
        service: step.service,
        ...score,
        evaluator: step.agent_name ?? (step.scope_name === '' ? null : step.scope_name),
        family: step.family,
        version: context.version.toString(),
        batch_id: context.batchId,
        logged_at: utcMillisText(context.loggedAtMs),
      },
    ];
  }),
});

interface Score {
  readonly name: string;
  readonly value: number | null;
  readonly label: string | null;
}

/** null: the step tells no evaluation, or one that says nothing. */
const scoreOf = ({ facts, name }: AgentStep): Score | null => {
  const told = facts['evaluation.value']?.trim() ?? '';
  const isNumber = NUMBER.test(told) && Number.isFinite(Number(told));
  const label = facts['evaluation.label'] || (isNumber ? '' : told);
  if (!isNumber && label === '') return null;
  return {
    name: (facts['evaluation.name'] || name).slice(0, TEXT_CHARS_MAX),
    value: isNumber ? Number(told) : null,
    label: label === '' ? null : label.slice(0, TEXT_CHARS_MAX),
  };
};
