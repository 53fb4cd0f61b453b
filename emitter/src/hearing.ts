import type { ControlEvent } from '../../schemas/control-event.ts';

/** `http://host:7070`, with a token that has the grant `ingest` where one is needed. */
export interface ControlUrl {
  readonly url: string;
  readonly token?: string;
  /** How often it is asked. 2 000 ms. */
  readonly pollMs?: number;
}

/** A source at work: tells of every event it meets, again after a reconnect if need be. */
export interface Hearing {
  readonly heard: (event: ControlEvent) => void;
  readonly ready: () => void;
  readonly signal: AbortSignal;
  readonly tenant: string;
  readonly lookBackMs: number;
}
