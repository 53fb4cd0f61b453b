import type { SpanView } from '../span-view.ts';
import type { Convention } from '../step-facts.ts';
import { anthropicSdk } from './anthropic-sdk.ts';
import { claudeCode } from './claude-code.ts';
import { codex } from './codex.ts';
import { copilotCli } from './copilot-cli.ts';
import { geminiCli } from './gemini-cli.ts';
import { generic } from './generic.ts';
import { genkit } from './genkit.ts';
import { googleAdk } from './google-adk.ts';
import { haystack } from './haystack.ts';
import { langfuse } from './langfuse.ts';
import { langsmith } from './langsmith.ts';
import { lmnr } from './lmnr.ts';
import { mastra } from './mastra.ts';
import { openaiAgents } from './openai-agents.ts';
import { openinference } from './openinference.ts';
import { openlit } from './openlit.ts';
import { openllmetry } from './openllmetry.ts';
import { otelGenAi } from './otel-gen-ai.ts';
import { passesOnUsage } from './passes-on-usage.ts';
import { strands } from './strands.ts';
import { vercelAi } from './vercel-ai.ts';
import { vercelAi7 } from './vercel-ai7.ts';

/**
 * Every convention, in the order they are asked; the first that matches reads the span. Decided per span, not per
 * payload: one trace mixes families. The reason stands beside each place.
 */
export const CONVENTIONS: readonly Convention[] = [
  anthropicSdk, // by scope alone; its spans stand inside traces of every other family
  openinference, // by its kind of span; stands beside `ai.*` and `gen_ai.*` on spans rewritten to it, and is the finer account
  langfuse, // by its scope or the type of an observation; its `gen_ai.*`, where an application adds them, mean less
  codex, // by the name of the event, or of the program as scope; its spans have token keys of OTel and no operation
  copilotCli, // by scope; a dialect of otel-gen-ai whose first agent has no name
  geminiCli, // by scope or the name of the event; its spans look like otel-gen-ai, with operations of their own
  claudeCode, // by scope, or the prefix of every event and span
  openaiAgents, // by the scope that the receiver gives to what it translates: nobody else writes it
  langsmith, // by its own keys; its operation names are wrong where its kinds of run are right
  mastra, // by the type of its span; looks like otel-gen-ai where the sum of many calls looks like one
  haystack, // by its own names; what it tells stands in contents alone
  genkit, // a key prefix nobody else uses
  googleAdk, // by scope; its attributes look like otel-gen-ai with another meaning of output
  strands, // by its own keys; looks like otel-gen-ai with another meaning of input
  vercelAi, // by its operation, which other SDKs' tracers leave as it is; its `gen_ai.*` lack the details
  openlit, // by scope or the SDK its resource names; a dialect of otel-gen-ai
  openllmetry, // by scope or its kinds of entity; after the families whose spans run under its SDK and take its keys on
  lmnr, // by its own keys, which it adds to the spans of openllmetry and vercel-ai as well: after both
  vercelAi7, // by scope `gen_ai` together with an operation name; a dialect of otel-gen-ai
  passesOnUsage, // by scope or keys of its own; dialects of otel-gen-ai with Anthropic's meaning of input
  otelGenAi, // the official names, for all who follow them
  generic, // keeps whatever is left
];

/** The convention that reads this span or log record. There is always one: `generic` takes what is left. */
export const conventionOf = (view: SpanView, among: readonly Convention[] = CONVENTIONS): Convention =>
  among.find((convention) => convention.matches(view)) ?? generic;
