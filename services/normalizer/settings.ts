import type { Vantage } from '../../schemas/step-kinds.ts';
import type { ContentMode } from './attributes.ts';

/** A topic the normalizer reads and how to see it (config `kafka.sources`). */
export interface NormalizerSource {
  readonly topic: string;
  readonly signal: 'spans' | 'logs' | 'actions';
  /** A fixed tenant for everything in this topic; '' = none. */
  readonly tenant: string;
  /** Where the tenant comes from when it is not fixed: the record's header, or the topic's own name. */
  readonly tenant_from: 'header' | 'topic';
  /** Who the senders of this topic are taken for. */
  readonly vantage: Vantage;
  /** `header`: our receiver is the only writer of this topic, so the vantage it bound to the token is believed. */
  readonly vantage_from?: 'source' | 'header';
  /** `agent_traces`: of a topic shared with ordinary services, only traces with a step of an agent are stored. */
  readonly keep?: 'all' | 'agent_traces';
  /** How long of the log's time an item waits for such a step of its trace, ms. */
  readonly hold_ms?: number;
}

export interface NormalizerSettings {
  readonly sources: readonly NormalizerSource[];
  readonly content: ContentMode;
  /** Replaces secrets and card numbers before anything is stored. */
  readonly redact: boolean;
}
