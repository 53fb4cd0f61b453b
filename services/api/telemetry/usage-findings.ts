import type { Finding } from './finding.ts';
import { callsWhere, counted, inScope, NO_STEPS, names, scoped } from './scope-sql.ts';

/** Tokens nobody told. */
export const noUsage: Finding = {
  id: 'no_usage',
  severity: 'unknown',
  title: 'Calls without usage',
  effect: 'Their cost is unknown; budgets count a ceiling for them.',
  fix: 'Mostly streams: ask the provider for usage with the last chunk (OpenAI: stream_options: {"include_usage": true}) and read the stream to its end; use an instrumentation that records it.',
  fixes: {
    langfuse:
      'Ask for usage on streams (stream_options: {"include_usage": true}), or pass usageDetails when updating the generation.',
    'vercel-ai7':
      'Let the provider send usage on streams, and consume the stream to its end: usage comes with its last part.',
  },
  query: (scope) => callsWhere(scope, "e.unpriced_reason = 'no_usage'"),
};

/** Counted by the sender's own tokenizer. */
export const estimated: Finding = {
  id: 'estimated',
  severity: 'wrong',
  title: 'Tokens estimated by the sender',
  effect: 'Local tokenizers know neither tools nor cache nor hidden prompts: the figures can be far off.',
  fix: 'Ask the provider for usage on streams (stream_options: {"include_usage": true}) and switch estimation off.',
  query: (scope) => callsWhere(scope, 'e.estimated'),
};

/** The cached part of the prompt is not told apart. */
export const cacheUntold: Finding = {
  id: 'cache_untold',
  severity: 'unknown',
  title: 'Cached tokens not told',
  effect: 'Cached input is priced as fresh input: the cost is an upper bound.',
  fix: 'Use a version of the instrumentation that records gen_ai.usage.cache_read.input_tokens and gen_ai.usage.cache_write.input_tokens (older: cache_creation.input_tokens).',
  query: (scope) => callsWhere(scope, "has(e.untold, 'cache_read') OR has(e.untold, 'cache_write')"),
};

/** Reasoning is not told apart from the answer. */
export const reasoningUntold: Finding = {
  id: 'reasoning_untold',
  severity: 'unknown',
  title: 'Reasoning tokens not told',
  effect: 'Reasoning sits in the output. The cost is right where both cost the same; how much was thought is unknown.',
  fix: 'Record gen_ai.usage.reasoning.output_tokens; not every provider tells it (Anthropic does not).',
  fixes: {
    'vercel-ai7':
      'Switch detailed usage on in the telemetry integration (usage: true); Anthropic does not tell reasoning.',
  },
  query: (scope) => callsWhere(scope, "has(e.untold, 'reasoning')"),
};

/** A whole side of a call is missing. */
export const sideUntold: Finding = {
  id: 'side_untold',
  severity: 'wrong',
  title: 'Only input or only output told',
  effect: 'The cost leaves the other side out.',
  fix: 'Record both gen_ai.usage.input_tokens and gen_ai.usage.output_tokens on the span of the call.',
  query: (scope) => callsWhere(scope, "has(e.untold, 'input') OR has(e.untold, 'output')"),
};

/** Calls told only as the sum over an agent's run. */
export const sumsOnly: Finding = {
  id: 'sums_only',
  severity: 'unknown',
  title: 'Only sums told, no single calls',
  effect:
    'Tokens are booked as one sum: the number of calls, their prompt sizes and their failures are not known, and tiers of a price cannot be chosen.',
  fix: 'Export a span with usage for each model call, below the span of the agent.',
  query: (scope) => callsWhere(scope, "has(e.untold, 'calls') OR abs(e.calls) > 1"),
};

/** Tokens of a model nobody named, or of one that nobody lists. */
export const noModel: Finding = {
  id: 'no_model',
  severity: 'unknown',
  title: 'No model told, or one no price is known for',
  effect: 'Tokens are counted, their cost is unknown.',
  fix: "Record gen_ai.response.model as the provider names it (a deployment's own name has no list price), and gen_ai.provider.name; a price that no public list has is not known here.",
  query: (scope) =>
    callsWhere(
      scope,
      "e.unpriced_reason IN ('no_model', 'no_price', 'ambiguous_model')",
      "concat(ifNull(e.model, '(none)'), ': ', ifNull(e.unpriced_reason, ''))",
    ),
};

/** Keys that OTel, its forerunners and other families use for one and the same figure of a span. */
const SYNONYMS = [
  {
    figure: 'input',
    keys: [
      'gen_ai.usage.input_tokens',
      'gen_ai.usage.prompt_tokens',
      'llm.usage.prompt_tokens',
      'ai.usage.inputTokens',
    ],
  },
  {
    figure: 'output',
    keys: [
      'gen_ai.usage.output_tokens',
      'gen_ai.usage.completion_tokens',
      'llm.usage.completion_tokens',
      'ai.usage.outputTokens',
    ],
  },
] as const;

const isContradicted = SYNONYMS.map(
  ({ keys }) =>
    `length(arrayDistinct(arrayFilter(told -> told != '', [${keys.map((key) => `s.attributes['${key}']`).join(', ')}]))) > 1`,
).join('\n    OR ');

/** One call told with different totals: on one span under two names, or by two spans with one response id. */
export const collidingCounters: Finding = {
  id: 'colliding_counters',
  severity: 'wrong',
  title: 'Counters that contradict each other',
  effect: 'One of the figures is wrong. The finer and measured one is believed; the other is kept beside it.',
  fix: 'Let one instrumentation count each call, in its newest version; a stream counted by summing its chunks counts some tokens twice.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT tenant_id, service, family, ${counted('count()', 'calls')}, ${NO_STEPS},
  toNullable(min(run_id)) AS example_run_id, ${names('detail_one')} AS detail
FROM (
  SELECT s.tenant_id AS tenant_id, s.service AS service, s.family AS family, s.run_id AS run_id, 'two keys of one span' AS detail_one
  FROM spans AS s
  WHERE ${inScope(scope, 's')} AND s.call_role = 'leaf'
    AND (${isContradicted})
  UNION ALL
  SELECT s.tenant_id AS tenant_id, min(s.service) AS service, arrayStringConcat(arraySort(groupUniqArray(toString(s.family))), ' + ') AS family,
    s.run_id AS run_id,
    concat(toString(min(s.reported_output_tokens)), ' and ', toString(max(s.reported_output_tokens)), ' output tokens for one response') AS detail_one
  FROM spans AS s
  WHERE ${inScope(scope, 's')} AND s.call_role = 'leaf' AND s.response_id IS NOT NULL AND s.reported_output_tokens > 0
  GROUP BY s.tenant_id, s.run_id, s.response_id
  HAVING uniqExact(s.scope_name) > 1 AND uniqExact(s.reported_output_tokens) > 1
)
GROUP BY tenant_id, service, family`,
    ),
};
