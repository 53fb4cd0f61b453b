import type { StepKind } from '../../schemas/step-kinds.ts';
import type { Json } from './json.ts';
import type { SpanView } from './span-view.ts';

/** One piece of what went into or came out of a step. */
export interface ContentPart {
  /** 'attribute': a long attribute kept whole here, its key as the role. */
  readonly direction: 'input' | 'output' | 'attribute';
  /** system, user, assistant, tool, tools (their definitions), or as the emitter said. */
  readonly role: string;
  readonly partKind: 'text' | 'tool_call' | 'tool_result' | 'reasoning' | 'blob' | 'other';
  readonly content: string;
}

/** Tokens as the emitter said them; undefined = not said. */
export interface Usage {
  readonly input?: number | undefined;
  readonly output?: number | undefined;
  readonly cacheRead?: number | undefined;
  readonly cacheWrite?: number | undefined;
  /** Part of cacheWrite that lives an hour. */
  readonly cacheWrite1h?: number | undefined;
  readonly reasoning?: number | undefined;
  readonly audioInput?: number | undefined;
  readonly audioOutput?: number | undefined;
}

/** What an emitter's figures mean (stated in each convention file). */
export interface UsageSemantics {
  /** True: `input` contains cache reads and writes, as OTel demands. False: they are added to it. */
  readonly inputIncludesCache: boolean;
  /** True: `output` contains reasoning. False: it is added to it. */
  readonly outputIncludesReasoning: boolean;
}

/** A model call as one span or log record describes it. */
export interface CallFacts {
  readonly role: 'leaf' | 'wrapper';
  readonly operation?: string | undefined;
  readonly usage: Usage;
  readonly semantics: UsageSemantics;
  readonly isEstimated?: boolean;
  readonly quantities?: Readonly<Record<string, number>>;
  /** Decimal text, USD. */
  readonly reportedCostUsd?: string | undefined;
}

/** What a convention read. Absent means "the emitter did not say"; nothing here is guessed without a flag. */
export interface StepFacts {
  readonly stepKind: StepKind;
  /** Replaces the registry's name as `family` when one convention serves several emitters. */
  readonly family?: string | undefined;
  readonly agentName?: string | undefined;
  readonly agentId?: string | undefined;
  readonly agentVersion?: string | undefined;
  readonly workflow?: string | undefined;
  readonly userId?: string | undefined;
  readonly onBehalfOf?: string | undefined;
  readonly account?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly toolName?: string | undefined;
  readonly toolCallId?: string | undefined;
  readonly toolArguments?: Json | undefined;
  readonly toolResult?: Json | undefined;
  /** Definition(s) of tools: hashed, so that a changed description or schema is seen. */
  readonly toolDefinition?: Json | undefined;
  readonly promptName?: string | undefined;
  readonly promptVersion?: string | undefined;
  readonly provider?: string | undefined;
  readonly requestModel?: string | undefined;
  readonly responseModel?: string | undefined;
  readonly responseId?: string | undefined;
  readonly region?: string | undefined;
  readonly serviceTier?: string | undefined;
  readonly call?: CallFacts | undefined;
  /** A sign of failure besides the status (tool result with an error, success=false …); false: whatever the status says. */
  readonly isFailed?: boolean | undefined;
  readonly errorType?: string | undefined;
  readonly errorMessage?: string | undefined;
  readonly attempt?: number | undefined;
  readonly isStreamed?: boolean | undefined;
  readonly flags?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Flat facts for the folds: `egress.host`, `data.dataset` … */
  readonly facts?: Readonly<Record<string, string>>;
  readonly content?: readonly ContentPart[];
  /** Attributes whose text is content: they move to `span_content` and leave only length and hash behind. */
  readonly contentKeys?: readonly string[];
}

/** Pure: reads a span, returns what it found; never mutates, throws or does I/O. Absent means "the emitter did not say". */
export interface Convention {
  /** Stored as `family`; metric label; kebab-case. */
  readonly name: string;
  /** First match in the registry wins. */
  readonly matches: (view: SpanView) => boolean;
  readonly read: (view: SpanView) => StepFacts;
}
