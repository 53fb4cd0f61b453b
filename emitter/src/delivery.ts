import type { Sender } from './kafka-sender.ts';
import type { OutboundRecord, WaitingLine } from './outbound.ts';
import { reasonOf, say } from './say.ts';
import { jittered, pause, within } from './world.ts';

/** One request: below max.message.bytes of a topic that nobody configured (1 MiB); a larger record travels alone. */
const ROUND_BYTES_MAX = 900 * 1024;
const ROUND_RECORDS_MAX = 1_000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 10_000;

/** What happened to items (spans, log records, action events): offered + recovered = the sum of all that follow. */
export interface DeliveryStats {
  readonly offered: number;
  /** The broker confirmed them. */
  readonly sent: number;
  readonly waiting: number;
  /** No room: the newest are dropped. */
  readonly droppedFull: number;
  /** The disk did not take them, or lost them. */
  readonly droppedDisk: number;
  /** Cannot be written as a record, or larger than the broker takes. */
  readonly droppedRefused: number;
  /** Still in memory, without a spool, when the emitter was shut down; or offered after that. */
  readonly droppedShutdown: number;
}

export interface Delivery {
  /** Resolves once every record waits safely or was counted as dropped; the number of items kept. Never throws. */
  readonly offer: (records: readonly OutboundRecord[]) => Promise<number>;
  /** Items that never became records. */
  readonly refuse: (items: number) => void;
  readonly stats: () => DeliveryStats & { readonly failures: number; readonly lastError: string | null };
  /** Resolves true when nothing waits any more, false after `timeoutMs`. Keeps the process alive meanwhile. */
  readonly flush: (timeoutMs: number) => Promise<boolean>;
  readonly close: (timeoutMs: number) => Promise<void>;
}

/** Carries records from the line to the broker, one round at a time, for ever. */
export const createDelivery = (line: WaitingLine, sender: Sender): Delivery => new Carrier(line, sender);

class Carrier implements Delivery {
  readonly #line: WaitingLine;
  readonly #sender: Sender;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #wake: () => void = () => {};
  #isIdle = false;
  #idleWaiters: (() => void)[] = [];
  #offering = 0;
  /** Offers that came to an end: tells whether something may have come while the line was looked at. */
  #offers = 0;
  #pausing = new AbortController();
  #offered = 0;
  #sent = 0;
  #full = 0;
  #disk = 0;
  #refused = 0;
  #shutdown = 0;
  #failures = 0;
  #failing = 0;
  #lastError: string | null = null;
  #isClosed = false;
  #closed: Promise<void> | undefined;

  constructor(line: WaitingLine, sender: Sender) {
    this.#line = line;
    this.#sender = sender;
    this.#running = this.#run();
  }

  async offer(records: readonly OutboundRecord[]): Promise<number> {
    const items = records.reduce((sum, record) => sum + record.items, 0);
    this.#offered += items;
    if (this.#closing.signal.aborted) {
      this.#shutdown += items;
      return 0;
    }
    this.#offering += 1;
    try {
      const kept = await this.#line.offer(records);
      let keptItems = 0;
      records.forEach((record, index) => {
        if (kept[index] === 'kept') keptItems += record.items;
        else if (kept[index] === 'full') this.#full += record.items;
        else this.#disk += record.items;
      });
      return keptItems;
    } finally {
      this.#offering -= 1;
      this.#offers += 1;
      this.#isIdle = false;
      this.#wake();
    }
  }

  refuse(items: number): void {
    this.#offered += items;
    this.#refused += items;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      let round: readonly OutboundRecord[] = [];
      const offers = this.#offers;
      try {
        round = await this.#line.take(ROUND_RECORDS_MAX, ROUND_BYTES_MAX);
        if (round.length === 0) await this.#rest(offers);
        else await this.#send(round);
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  /** Until something is offered; at once when something was since `offers` were counted. */
  async #rest(offers: number): Promise<void> {
    if (offers !== this.#offers) return;
    if (this.#offering === 0) {
      this.#isIdle = true;
      for (const tell of this.#idleWaiters.splice(0)) tell();
    }
    await new Promise<void>((wake) => {
      this.#wake = wake;
      if (this.#closing.signal.aborted) wake();
    });
  }

  async #send(round: readonly OutboundRecord[]): Promise<void> {
    const { settled, refusedItems, error } = await this.#sender.send(round);
    if (settled > 0) {
      await this.#line.confirm(settled);
      const items = round.slice(0, settled).reduce((sum, record) => sum + record.items, 0);
      this.#sent += items - refusedItems;
      this.#refused += refusedItems;
      if (refusedItems > 0) say('error', `${refusedItems} items are larger than the broker takes: dropped`);
    }
    if (error !== null) await this.#failed(error);
    else if (this.#failing > 0) {
      say('info', `Kafka takes records again after ${this.#failing} attempts`);
      this.#failing = 0;
    }
  }

  /** Told once an outage, then a pause that grows: the records stay where they are. */
  async #failed(error: unknown): Promise<void> {
    this.#failures += 1;
    this.#lastError = reasonOf(error);
    if (this.#closing.signal.aborted) return; // the goodbye cuts the line: no news
    if (this.#failing === 0) say('warn', `Kafka takes no records, they wait: ${this.#lastError}`);
    this.#failing += 1;
    const pauseMs = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(this.#failing - 1, 10), BACKOFF_MAX_MS);
    this.#pausing = new AbortController();
    await pause(jittered(pauseMs), this.#pausing.signal);
  }

  stats() {
    return {
      offered: this.#offered,
      sent: this.#sent,
      waiting: this.#isClosed && !this.#line.isDurable ? 0 : this.#line.waiting().items,
      droppedFull: this.#full,
      droppedDisk: this.#disk,
      droppedRefused: this.#refused,
      droppedShutdown: this.#shutdown,
      failures: this.#failures,
      lastError: this.#lastError,
    };
  }

  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#isIdle && this.#offering === 0) return true;
    const { promise, tell } = waiter();
    this.#idleWaiters.push(tell);
    // Whoever waits for the end should not wait for the next attempt.
    this.#pausing.abort();
    const isDone = await within(timeoutMs, promise, true);
    if (!isDone) this.#idleWaiters = this.#idleWaiters.filter((one) => one !== tell);
    return isDone;
  }

  close(timeoutMs: number): Promise<void> {
    this.#closed ??= this.#close(timeoutMs);
    return this.#closed;
  }

  async #close(timeoutMs: number): Promise<void> {
    // What a spool holds goes out with the next start: while no broker answers nobody need wait for it.
    await this.flush(this.#line.isDurable && this.#failing > 0 ? 0 : timeoutMs);
    this.#closing.abort();
    this.#pausing.abort();
    this.#wake();
    await within(timeoutMs, this.#sender.close(), true);
    await within(timeoutMs, this.#running, true);
    const left = this.#line.waiting().items;
    this.#isClosed = true;
    if (!this.#line.isDurable) this.#shutdown += left;
    if (left > 0) {
      const fate = this.#line.isDurable ? 'they wait in the spool' : 'they are lost';
      say('warn', `shut down with ${left} items that Kafka did not take: ${fate}`);
    }
    await within(timeoutMs, this.#line.close(), true);
  }
}

const waiter = (): { readonly promise: Promise<void>; readonly tell: () => void } => {
  let tell: () => void = () => {};
  const promise = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return { promise, tell };
};
