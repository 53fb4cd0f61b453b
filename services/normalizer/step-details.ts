import { type AgentStep, TOOL_ARGUMENTS_BYTES_MAX } from '../../schemas/agent-step.ts';
import type { Status } from '../../schemas/step-kinds.ts';
import { providerOfModel } from './conventions/provider.ts';
import { canonicalText, displayText } from './json.ts';
import type { Redactor } from './redact.ts';
import type { StepFacts } from './step-facts.ts';
import { cutUtf8, fingerprint } from './text.ts';
import { bucketsOf } from './token-buckets.ts';

const NO_TOOL = { text: null, hash: null, resultHash: null, classes: [] as readonly string[] };

/** What a step tells the folds of its tool: arguments, cut, with fingerprints of the whole and of the result. */
export const toolColumns = (facts: StepFacts, redactor: Redactor) => {
  const { toolArguments, toolResult } = facts;
  if (toolArguments === undefined && toolResult === undefined) return NO_TOOL;
  const given = toolArguments === undefined ? null : redactor.redact(canonicalText(toolArguments));
  const text = given === null ? null : given.text.toWellFormed();
  return {
    text: text === null ? null : cutUtf8(text, TOOL_ARGUMENTS_BYTES_MAX),
    hash: text === null ? null : fingerprint(text),
    resultHash: toolResult === undefined ? null : fingerprint(redactor.redact(displayText(toolResult)).text),
    classes: given === null ? [] : given.classes,
  };
};

/** The model call a step describes, its figures in disjoint buckets; null when it describes none. */
export const stepCall = (facts: StepFacts, status: Status): AgentStep['call'] => {
  const { call } = facts;
  if (call === undefined) return null;
  const model = facts.responseModel ?? facts.requestModel;
  return {
    role: call.role,
    operation: call.operation ?? null,
    outcome: status === 'error' ? 'failed' : 'ok',
    ...bucketsOf(call.usage, call.semantics, {
      isEmbedding: facts.stepKind === 'embedding',
      billsCacheWrites:
        facts.provider === 'anthropic' || providerOfModel(model) === 'anthropic' || /claude/i.test(model ?? ''),
    }),
    estimated: call.isEstimated ?? false,
    quantities: call.quantities ?? {},
    reported_cost_usd: call.reportedCostUsd ?? null,
  };
};
