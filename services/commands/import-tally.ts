import { stepIdOfLog, stepIdOfSpan } from '../../schemas/identity.ts';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import type { OtlpPayload } from '../runtime/otlp-sender.ts';

export interface ImportOptions {
  readonly paths: readonly string[];
  readonly to: string;
  readonly api: string;
  readonly tenant: string | null;
  readonly token: string | null;
  readonly now: boolean;
  readonly wait: boolean;
}

/** What was sent, with the identity of every item. */
export interface Tally {
  requests: number;
  spans: number;
  logs: number;
  metricRequests: number;
  refused: number;
  readonly skipped: string[];
  readonly problems: string[];
  readonly stepIds: Set<string>;
  /** Highest offset answered, by `topic/partition`. */
  readonly positions: Map<string, number>;
}

/** An empty tally. */
export const createTally = (): Tally => ({
  requests: 0,
  spans: 0,
  logs: 0,
  metricRequests: 0,
  refused: 0,
  skipped: [],
  problems: [],
  stepIds: new Set(),
  positions: new Map(),
});

/** Counts what a request holds and remembers the identity of each item, so that the store can be asked for it. */
export const countPayload = (tenant: string, payload: OtlpPayload, tally: Tally): void => {
  if (payload.signal === 'metrics') {
    tally.metricRequests += 1;
    return;
  }
  if (payload.signal === 'traces') {
    const decoded = decodeTraces(payload.body);
    if (decoded.kind === 'refused') return;
    tally.spans += decoded.value.items.length;
    tally.refused += decoded.value.refusals.length;
    for (const { item } of decoded.value.items) tally.stepIds.add(stepIdOfSpan(tenant, item.traceId, item.spanId));
    return;
  }
  const decoded = decodeLogs(payload.body);
  if (decoded.kind === 'refused') return;
  tally.logs += decoded.value.items.length;
  tally.refused += decoded.value.refusals.length;
  const ordinals = new Map<string, number>();
  for (const { item, resource, scope } of decoded.value.items) {
    const base = stepIdOfLog(tenant, resource, scope, item, 0);
    const ordinal = ordinals.get(base) ?? 0;
    ordinals.set(base, ordinal + 1);
    tally.stepIds.add(ordinal === 0 ? base : stepIdOfLog(tenant, resource, scope, item, ordinal));
  }
};
