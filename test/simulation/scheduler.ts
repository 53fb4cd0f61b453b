import { TransportError } from '../../services/runtime/errors.ts';
import type { Clock } from '../../services/runtime/ports.ts';
import type { Dice } from '../support/random.ts';

/** A request of a process on its way: it takes effect when it is picked. */
interface Gate {
  readonly owner: string;
  readonly what: string;
  readonly open: () => void;
  /** The process died with the request on its way. */
  readonly dropped: () => void;
}

interface Timer {
  readonly atMs: number;
  readonly fire: () => void;
}

/**
 * Time and order of a simulated world. Everything that waits, for an answer or for the clock, waits here, and the dice
 * say who goes on next: so one seed is one order of events, and another seed another one.
 */
export interface Scheduler {
  /** What the processes read: may jump, unlike the time that passes. */
  readonly clock: Clock;
  /** Resolves when a request of this process takes effect; never, when the process dies before. */
  readonly turn: (owner: string, what: string, signal?: AbortSignal, dropped?: () => void) => Promise<void>;
  /** Something that the world does by itself, later. */
  readonly after: (ms: number, act: () => void) => void;
  /** The process stands still for so long, with its requests on their way. */
  readonly pause: (owner: string, ms: number) => void;
  /** The process is dead: nothing of it takes effect any more. */
  readonly drop: (owner: string) => void;
  /** The wall clock is set, by so many ms. */
  readonly jump: (ms: number) => void;
  /** Lets one thing happen and everything that follows from it; false when nothing is left to happen. */
  readonly step: () => Promise<boolean>;
  readonly trace: (line: string) => void;
  readonly elapsedMs: () => number;
}

/** 20 November 2026: late enough for everything that counts from 1970. */
const BEGIN_MS = 1_795_132_800_000;
/** Share of steps in which time passes although somebody could go on. */
const TIME_PASSES = 0.04;

/** Resolves once all microtasks are done: they are the part of a step that the dice do not decide. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A world in which nothing has happened yet. `trace` is told of everything that happens. */
export const createScheduler = (dice: Dice, trace: (line: string) => void): Scheduler => new World(dice, trace);

class World implements Scheduler {
  readonly clock: Clock;
  readonly #dice: Dice;
  readonly #trace: (line: string) => void;
  readonly #gates = new Set<Gate>();
  readonly #timers = new Set<Timer>();
  readonly #paused = new Set<string>();
  readonly #dead = new Set<string>();
  #elapsedMs = 0;
  #skewMs = 0;

  constructor(dice: Dice, trace: (line: string) => void) {
    this.#dice = dice;
    this.#trace = trace;
    this.clock = {
      nowMs: () => BEGIN_MS + this.#elapsedMs + this.#skewMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  elapsedMs(): number {
    return this.#elapsedMs;
  }

  trace(line: string): void {
    this.#trace(`${String(this.#elapsedMs).padStart(6)} ${line}`);
  }

  turn(owner: string, what: string, signal?: AbortSignal, dropped: () => void = () => {}): Promise<void> {
    if (this.#dead.has(owner)) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const gate: Gate = { owner, what, open: resolve, dropped };
      this.#gates.add(gate);
      signal?.addEventListener('abort', () => {
        if (this.#gates.delete(gate))
          reject(new TransportError('ABORTED', 'the request was aborted', { retryable: false }));
      });
    });
  }

  after(ms: number, act: () => void): void {
    this.#timers.add({ atMs: this.#elapsedMs + ms, fire: act });
  }

  pause(owner: string, ms: number): void {
    this.trace(`${owner} stands still for ${ms} ms`);
    this.#paused.add(owner);
    this.after(ms, () => this.#paused.delete(owner));
  }

  drop(owner: string): void {
    this.#dead.add(owner);
    for (const gate of this.#gates) {
      if (gate.owner !== owner) continue;
      this.#gates.delete(gate);
      gate.dropped();
    }
  }

  jump(ms: number): void {
    this.trace(`the clock jumps by ${ms} ms`);
    this.#skewMs += ms;
  }

  async step(): Promise<boolean> {
    const ready: (Gate | Timer)[] = [];
    for (const gate of this.#gates) if (!this.#paused.has(gate.owner)) ready.push(gate);
    let nextMs = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) {
      if (timer.atMs <= this.#elapsedMs) ready.push(timer);
      else if (timer.atMs < nextMs) nextMs = timer.atMs;
    }
    if (ready.length === 0 && nextMs === Number.POSITIVE_INFINITY) return false;
    if (ready.length === 0 || (nextMs !== Number.POSITIVE_INFINITY && this.#dice.chance(TIME_PASSES))) {
      this.#elapsedMs = nextMs;
      return true;
    }
    const chosen = this.#dice.pick(ready);
    if ('atMs' in chosen) {
      this.#timers.delete(chosen);
      chosen.fire();
    } else {
      this.#gates.delete(chosen);
      this.trace(`${chosen.owner} ${chosen.what}`);
      chosen.open();
    }
    await settled();
    return true;
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#timers.delete(timer);
        reject(new TransportError('ABORTED', 'waiting was aborted', { retryable: false }));
      };
      const timer: Timer = {
        atMs: this.#elapsedMs + ms,
        fire: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort);
      this.#timers.add(timer);
    });
  }
}
