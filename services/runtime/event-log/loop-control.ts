import { TransportError } from '../errors.ts';
import type { ConsumeOptions } from '../ports.ts';
import type { Claim, LogBackend } from './backend.ts';
import { createWaker, type Waker } from './waker.ts';

export const RETRY_FIRST_MS = 100;
export const RETRY_MAX_MS = 5_000;

export type LoopOptions = Omit<ConsumeOptions, 'group' | 'topics'>;

type LoopPhase = 'running' | 'revoked' | 'forgotten' | 'fenced';

/** What the parts of one partition's loop share: its claim, and whether it still goes on. */
export interface LoopControl {
  readonly backend: LogBackend;
  readonly claim: Claim;
  readonly options: LoopOptions;
  readonly waker: Waker;
  /** Fires when the epoch is dead. */
  readonly epochOver: AbortSignal;
  /** Fires when the loop shall come to its end, also in order. */
  readonly ending: AbortSignal;
  readonly phase: () => LoopPhase;
  readonly isRunning: () => boolean;
  readonly isAlive: () => boolean;
  readonly endAs: (phase: Exclude<LoopPhase, 'running'>) => void;
  /** Nothing of this epoch counts from here on. */
  readonly finish: () => void;
}

/** Builds the control of a loop in phase 'running'. */
export const createLoopControl = (backend: LogBackend, claim: Claim, options: LoopOptions): LoopControl => {
  const epochOver = new AbortController();
  const ending = new AbortController();
  const waker = createWaker(backend.clock);
  let phase: LoopPhase = 'running';
  return {
    ...{ backend, claim, options, waker },
    ...{ epochOver: epochOver.signal, ending: ending.signal },
    phase: () => phase,
    isRunning: () => phase === 'running',
    isAlive: () => !epochOver.signal.aborted,
    endAs: (next) => {
      if (phase === 'running' || next === 'fenced') phase = next;
      if (next !== 'revoked') epochOver.abort();
      ending.abort();
      waker.wake();
    },
    finish: () => epochOver.abort(),
  };
};

/** The epoch of the assignment is over. */
export const isFenced = (error: unknown): boolean => error instanceof TransportError && error.code === 'FENCED';

/** Retries what is retryable while the epoch lives; throws FENCED when it is over. */
export const retryWhileAlive = async <T>(control: LoopControl, attempt: () => Promise<T>): Promise<T> => {
  for (let pauseMs = RETRY_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS)) {
    if (!control.isAlive()) throw new TransportError('FENCED', 'the epoch is over', { retryable: false });
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TransportError && error.retryable)) throw error;
      control.backend.logger?.warn({ err: error, ...control.claim }, 'event log: trying again');
    }
    await control.backend.clock.sleep(pauseMs, control.epochOver).catch(() => undefined);
  }
};
