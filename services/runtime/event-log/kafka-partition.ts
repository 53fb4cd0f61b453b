import { assert, InvariantError, TransportError } from '../errors.ts';
import type { Assignment, Clock, ConsumeOptions, Logger, LogRecord, PartitionConsumer } from '../ports.ts';

/** A first pause after a handler could not go on; doubled up to the second. */
const REOPEN_FIRST_MS = 100;
const REOPEN_MAX_MS = 5_000;

export type PartitionFacts = Pick<Assignment, 'logId' | 'committed' | 'logStart' | 'logEnd'>;

/** What a partition needs of the member it belongs to. */
export interface PartitionPort {
  readonly options: ConsumeOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly topic: string;
  readonly partition: number;
  /** Number of the epoch of an assignment; each call gives a higher one. */
  readonly nextEpoch: () => number;
  /** Aborts when the member's generation is over. */
  readonly signal: AbortSignal;
  /** Read after the group was joined. Throws TransportError. */
  readonly facts: () => Promise<PartitionFacts>;
  /** Throws TransportError; FENCED once `over` has fired. */
  readonly commit: (offset: number, metadata: string, over: AbortSignal) => Promise<void>;
  /** Begin to fetch at an offset, or go on after `pause`. */
  readonly fetchFrom: (offset: number) => void;
  readonly pause: () => void;
}

/** One assigned partition for the length of one generation. Calls into the service come one at a time. */
export class KafkaPartition {
  readonly #port: PartitionPort;
  /** The life of one assignment: ends with the generation, or when the handler said that it is over. */
  #assignment = new AbortController();
  #consumer: PartitionConsumer | null = null;
  #next = 0;
  #lastAtMs: number;
  #isIdleTold = true;
  #isRetired = false;
  #inFlight = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(port: PartitionPort) {
    this.#port = port;
    this.#lastAtMs = port.clock.nowMs();
  }

  /** Asks the service for its consumer, as often as it takes, then begins to fetch. Never rejects. */
  async open(): Promise<void> {
    const { clock, signal } = this.#port;
    let pauseMs = REOPEN_FIRST_MS;
    while (this.#isWanted() && !(await this.#tryOpen())) {
      await clock.sleep(pauseMs, signal).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, REOPEN_MAX_MS);
    }
  }

  /** The offset the next fetch must have begun at, null while nothing is wanted. */
  expected(): number | null {
    return this.#consumer && this.#isWanted() ? this.#next : null;
  }

  /** Offsets before `next` hold nothing for us (control records, aborted transactions). */
  passed(next: number): void {
    this.#next = Math.max(this.#next, next);
  }

  /** Hands over one batch; `after` is where kafkajs fetches next. False: no more of this fetch. */
  deliver(records: readonly LogRecord[], logEnd: number, after: number): Promise<boolean> {
    return this.#exclusive(async () => {
      const taker = this.#consumer;
      if (!taker || !this.#isWanted()) return false;
      this.#isIdleTold = false;
      try {
        const answer = await taker.onBatch({ records, logEnd });
        this.#next = after;
        if (answer === 'stop') this.#forget();
        return answer === 'continue';
      } catch (error) {
        this.#refuse(error);
        return false;
      }
    });
  }

  /** Calls onIdle when nothing came for `idleMs`, once; again while the service waits. */
  async idleIfDue(): Promise<void> {
    const { clock, options } = this.#port;
    const isQuiet = this.#inFlight === 0 && clock.nowMs() - this.#lastAtMs >= options.idleMs;
    if (isQuiet && this.#consumer && !this.#isIdleTold) await this.#exclusive(() => this.#idle());
  }

  /** Takes no further batch; the one in flight goes on. */
  retire(): void {
    this.#isRetired = true;
    this.#port.pause();
  }

  /** Retires, waits for the call in flight and says idle; then no call is in flight any more. */
  async drain(): Promise<void> {
    this.retire();
    await this.#exclusive(() => this.#idle());
  }

  #isWanted(): boolean {
    return !this.#isRetired && !this.#port.signal.aborted;
  }

  #exclusive<T>(call: () => Promise<T>): Promise<T> {
    this.#inFlight += 1;
    const result = this.#tail.then(call).finally(() => {
      this.#inFlight -= 1;
      this.#lastAtMs = this.#port.clock.nowMs();
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  /** True: settled one way or the other. False: try again later. */
  async #tryOpen(): Promise<boolean> {
    const { logger, topic, partition, options, signal } = this.#port;
    try {
      await this.#exclusive(() => this.#ask());
      if (this.#consumer && this.#isWanted()) this.#port.fetchFrom(this.#next);
      return true;
    } catch (error) {
      if (!(error instanceof TransportError)) {
        options.onCrash(error);
        return true;
      }
      if (!signal.aborted)
        logger.warn({ err: error, topic, partition }, 'event log: not ready for a partition, waiting');
      return false;
    }
  }

  async #ask(): Promise<void> {
    const { options, topic, partition } = this.#port;
    const facts = await this.#port.facts();
    const { logStart, logEnd } = facts;
    this.#assignment.abort();
    this.#assignment = new AbortController();
    const over = AbortSignal.any([this.#port.signal, this.#assignment.signal]);
    const consumer = await options.assigned({
      ...{ topic, partition, epoch: this.#port.nextEpoch(), ...facts, signal: over },
      commit: (offset, metadata) => this.#port.commit(offset, metadata, over),
    });
    const { startOffset } = consumer;
    const isInside = startOffset >= logStart && startOffset <= logEnd;
    assert(isInside, `startOffset ${startOffset} of ${topic}/${partition} is outside ${logStart}..${logEnd}`);
    this.#consumer = consumer;
    this.#next = startOffset;
    // With nothing to read there is still an end to commit, so that the lag reaches 0.
    this.#isIdleTold = startOffset < logEnd;
  }

  #forget(): void {
    this.#consumer = null;
    this.#port.pause();
  }

  /** After a call threw: what says that the epoch is over ends the assignment, and a living one is asked anew. */
  #refuse(error: unknown): void {
    const { clock, options, signal } = this.#port;
    this.#forget();
    const isTransport = error instanceof TransportError;
    const isEcho = isTransport && (error.code === 'FENCED' || error.code === 'ABORTED' || signal.aborted);
    if (!isEcho) {
      options.onCrash(error instanceof Error ? error : new InvariantError('a handler threw', { cause: error }));
      return;
    }
    this.#assignment.abort();
    if (this.#isWanted()) {
      void clock.sleep(REOPEN_FIRST_MS, signal).then(
        () => this.open(),
        () => {},
      );
    }
  }

  async #idle(): Promise<void> {
    const told = this.#consumer;
    if (!told || this.#isIdleTold || this.#port.signal.aborted) return;
    this.#isIdleTold = true;
    try {
      await told.onIdle();
      this.#isIdleTold = told.isWaiting?.() !== true;
    } catch (error) {
      this.#refuse(error);
    }
  }
}
