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
 * Rows for the evaluations that newly come steps tell: one by facts `evaluation.*`, any number by `evaluation.<n>.*`.
 * Steps are new once, so rows are; one that is read anew says them again under the same ids. Nobody's explanation is
 * stored here: it quotes what was judged, which needs another grant.
 */
export const scoreRows = (news: readonly AgentStep[], context: Omit<FoldContext, 'variant'>): TableRows => ({
  table: 'scores',
  identity: ['score_id'],
  rows: news.flatMap((step) =>
    scoresOf(step).map(({ key, score, evaluator, target }) => ({
      score_id: hash128([step.tenant_id, step.step_id, key]),
      tenant_id: step.tenant_id,
      ts: utcMicrosText(step.start_unix_micros),
      ...target,
      step_id: step.step_id,
      session_id: step.session_id,
      response_id: step.response_id,
      service: step.service,
      ...score,
      evaluator: evaluator ?? step.agent_name ?? (step.scope_name === '' ? null : step.scope_name),
      family: step.family,
      version: context.version.toString(),
      batch_id: context.batchId,
      logged_at: utcMillisText(context.loggedAtMs),
    })),
  ),
});

interface Score {
  readonly name: string;
  readonly value: number | null;
  readonly label: string | null;
}

/** What is judged. Without a span: all of the run, or all of the session. */
interface Target {
  readonly run_id: string;
  readonly trace_id: string;
  readonly span_id: string;
}

interface ToldScore {
  /** What tells it from others of its step. */
  readonly key: string;
  readonly score: Score;
  readonly evaluator: string | null;
  readonly target: Target;
}

const scoresOf = (step: AgentStep): readonly ToldScore[] => {
  const own = scoreOf(step, 'evaluation');
  const told: ToldScore[] =
    own === null ? [] : [{ key: 'score', score: own, evaluator: null, target: targetOfEvaluator(step) }];
  for (const n of numbersOf(step)) {
    const score = scoreOf(step, `evaluation.${n}`);
    if (score === null) continue;
    const target = targetOf(step, step.facts[`evaluation.${n}.of`]);
    told.push({ key: `score ${n}`, score, evaluator: step.facts[`evaluation.${n}.by`] ?? null, target });
  }
  return told;
};

/** Numbers under which a step tells evaluations, ascending. */
const numbersOf = ({ facts }: AgentStep): readonly number[] => {
  const numbers = Object.keys(facts).flatMap((fact) => {
    const match = NUMBERED.exec(fact);
    return match === null ? [] : [Number(match[1])];
  });
  return [...new Set(numbers)].sort((a, b) => a - b);
};
const NUMBERED = /^evaluation\.(\d{1,4})\./;

/** A record tells of the span it stands in; a span made for an evaluation, of the one above it. */
const targetOfEvaluator = ({ run_id, trace_id, signal, span_id, parent_span_id }: AgentStep): Target => ({
  run_id,
  trace_id,
  span_id: signal === 'span' ? parent_span_id : span_id,
});

/** Of a span itself, or of the one span that a carrier of evaluations links to (OpenInference, post-hoc feedback). */
const targetOf = (step: AgentStep, of: string | undefined): Target => {
  const [link, ...others] = step.step_kind === 'eval' ? step.links : [];
  const isLinked = link !== undefined && others.length === 0 && link.trace_id !== '';
  const { trace_id, span_id } = isLinked ? link : step;
  const run_id = isLinked ? link.trace_id : step.run_id;
  switch (of) {
    case 'trace':
      return { run_id, trace_id, span_id: '' };
    case 'session':
      return { run_id: step.run_id, trace_id: '', span_id: '' };
    default:
      return { run_id, trace_id, span_id };
  }
};

/** null: the step tells no evaluation there, or one that says nothing. */
const scoreOf = ({ facts, name }: AgentStep, prefix: string): Score | null => {
  const told = facts[`${prefix}.value`]?.trim() ?? '';
  const isNumber = NUMBER.test(told) && Number.isFinite(Number(told));
  const label = facts[`${prefix}.label`] || (isNumber ? '' : told);
  if (!isNumber && label === '') return null;
  return {
    name: (facts[`${prefix}.name`] || name).slice(0, TEXT_CHARS_MAX),
    value: isNumber ? Number(told) : null,
    label: label === '' ? null : label.slice(0, TEXT_CHARS_MAX),
  };
};
