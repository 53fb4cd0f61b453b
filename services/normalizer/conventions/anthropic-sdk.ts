import type { Convention } from '../step-facts.ts';
import { readGenAi } from './otel-gen-ai.ts';

/**
 * Spans of Anthropic's own SDK (scope `com.anthropic.sdk.<language>`), on whenever a tracer provider exists, so often a
 * twin of another instrumentation's span. Follows OTel: input_tokens includes cache reads and writes; the hour-long
 * part of the writes is in `anthropic.usage.cache_creation.ephemeral_1h_input_tokens`; no reasoning count; retries in
 * `http.request.resend_count`.
 */
export const anthropicSdk: Convention = {
  name: 'anthropic-sdk',
  matches: (view) => view.scope.name.startsWith('com.anthropic.sdk.'),
  read: (view) => readGenAi(view),
};
