import { at, textOf } from '../json.ts';
import type { CallFacts, Convention } from '../step-facts.ts';
import { readGenAi } from './otel-gen-ai.ts';
import { hasUsage } from './usage.ts';
import { jsonAttr, namesOf, presentKeys } from './values.ts';

/**
 * Vercel AI SDK 7 with `@ai-sdk/otel` (scope `gen_ai`). Follows OTel; differs in:
 *
 * | what | here |
 * |---|---|
 * | input_tokens, output_tokens | include cache and reasoning |
 * | reasoning | only in `ai.usage.outputTokenDetails.reasoningTokens`, and only with `usage: true` |
 * | embeddings | an outer span without usage around the inner one with it: the outer one describes no call |
 * | invoke_agent | every generateText and streamText; carries the sum of its own calls |
 * | agent_step | one per step; repeats details of its call |
 * | session, user | `ai.settings.context.<name>` on invoke_agent and agent_step, names chosen by the application |
 * | service tier | inside `ai.response.providerMetadata` (JSON by provider) |
 */
export const vercelAi7: Convention = {
  name: 'vercel-ai7',
  matches: (view) => view.scope.name === 'gen_ai' && view.attr('gen_ai.operation.name') !== undefined,
  read: (view) => {
    const facts = readGenAi(view);
    const metadata = jsonAttr(view, 'ai.response.providerMetadata');
    return {
      ...facts,
      // A failed one stays a call: the inner span has no usage then either, and the ledger meets both in one trace.
      call: facts.isFailed === true ? facts.call : withoutOuterEmbedding(facts.call),
      serviceTier: facts.serviceTier ?? textOf(at(metadata, 'openai', 'serviceTier')),
      contentKeys: [...(facts.contentKeys ?? []), ...presentKeys(view, METADATA)],
    };
  },
};

const METADATA = namesOf('ai.response.providerMetadata');

const withoutOuterEmbedding = (call: CallFacts | undefined): CallFacts | undefined =>
  call !== undefined && call.operation === 'embeddings' && !hasUsage(call.usage) ? undefined : call;
