import type { ControlAction, ControlEvent, ControlTargetKind } from '../../schemas/control-event.ts';
import { DEFAULT_TENANT, isTenant } from '../../schemas/tenant.ts';
import { hearKafka } from './control-kafka.ts';
import { hearUrl } from './control-url.ts';
import type { ControlUrl, Hearing } from './hearing.ts';

import { reasonOf, say } from './say.ts';
import type { KafkaPlace } from './settings.ts';
import { nowMs, within } from './world.ts';

/** Somebody asks an executor to act. */
export interface ControlRequest {
  readonly eventId: string;
  readonly action: ControlAction;
  readonly target: { readonly kind: ControlTargetKind; readonly id: string };
  readonly reason: string | null;
  readonly requestedBy: string;
  readonly requestedAtMs: number;
  readonly expiresAtMs: number;
}

/** What this process runs: a request about any of it is heard. */
export interface ControlFilter {
  /** Names of the agents and workflows whose runs this process executes. */
  readonly agents?: readonly string[];
  readonly workflows?: readonly string[];
  /** Whether a run (its trace id) is executed here; asked for each request about a run. */
  readonly isRun?: (runId: string) => boolean;
}

/** Called at most once for each request in this process. What it throws is told to `diag` and not asked again. */
export type ControlHandler = (request: ControlRequest) => void | Promise<void>;

/** Where requests come from: Kafka, or the API of Tachograph for processes that have no Kafka. */
export type ControlSource = (KafkaPlace | ControlUrl) & {
  /** Default `default`. */
  readonly tenant?: string;
  /** Requests made up to so long before the start are heard as well. 60 000 ms. */
  readonly lookBackMs?: number;
};

export interface ControlListener {
  /** Resolves once requests made from now on are heard for sure: the source has answered. */
  readonly ready: Promise<void>;
  readonly close: () => Promise<void>;
}

const LOOK_BACK_MS = 60_000;
/** Longest goodbye: an agent that ends does not wait for brokers. */
const CLOSE_MS = 5_000;
/** Requests remembered; the oldest are forgotten first. People make a handful a day. */
const SEEN_MAX = 10_000;

/**
 * Hears requests to kill, pause or resume. It asks nothing of the process: what to do is the handler's. Never throws but
 * for options that cannot be (TypeError), never keeps the process alive, and comes back by itself after every outage.
 */
export const onControl = (source: ControlSource, filter: ControlFilter, handler: ControlHandler): ControlListener => {
  const tenant = source.tenant ?? DEFAULT_TENANT;
  if (!isTenant(tenant)) throw new TypeError('tenant: letters, digits and .@_- only, at most 64 characters');
  const closing = new AbortController();
  const seen = new Set<string>();
  let ready: () => void = () => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const hearing: Hearing = {
    tenant,
    lookBackMs: source.lookBackMs ?? LOOK_BACK_MS,
    signal: closing.signal,
    ready: () => ready(),
    heard: (event) => {
      if (closing.signal.aborted || event.tenant_id !== tenant || seen.has(event.event_id)) return;
      if (event.expires_at <= nowMs() * 1000 || !isMeant(filter, event)) return;
      seen.add(event.event_id);
      const [oldest] = seen;
      if (seen.size > SEEN_MAX && oldest !== undefined) seen.delete(oldest);
      void tell(handler, event);
    },
  };
  const running = 'url' in source ? hearUrl(source, hearing) : hearKafka(source, hearing);
  return {
    ready: isReady,
    close: async () => {
      closing.abort();
      ready();
      await within(CLOSE_MS, running, true);
    },
  };
};

const isMeant = (filter: ControlFilter, event: ControlEvent): boolean => {
  try {
    switch (event.target_kind) {
      case 'run':
        return filter.isRun?.(event.target_id) ?? false;
      case 'agent':
        return filter.agents?.includes(event.target_id) ?? false;
      case 'workflow':
        return filter.workflows?.includes(event.target_id) ?? false;
    }
  } catch (error) {
    say('error', `the filter of control requests failed: ${reasonOf(error)}`);
    return false;
  }
};

const tell = async (handler: ControlHandler, event: ControlEvent): Promise<void> => {
  try {
    await handler({
      eventId: event.event_id,
      action: event.action,
      target: { kind: event.target_kind, id: event.target_id },
      reason: event.reason,
      requestedBy: event.requested_by,
      requestedAtMs: event.ts / 1000,
      expiresAtMs: event.expires_at / 1000,
    });
  } catch (error) {
    say('error', `the handler of ${event.action} ${event.target_kind}:${event.target_id} failed: ${reasonOf(error)}`);
  }
};
