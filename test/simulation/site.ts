import type { SimulatedProcess, SimulatedWorld, Weather } from './process.ts';
import type { Traffic } from './traffic.ts';

/** How often what goes wrong in one run: drawn by its seed, so that runs differ in kind and not only in order. */
export interface Rates {
  /** Share of steps with a new record. */
  readonly sends: number;
  readonly weather: Omit<Weather, 'rejecting'>;
  /** Share of steps with each fault. */
  readonly faults: Readonly<Record<string, number>>;
}

/** A world with its processes: what the faults break. */
export interface Site {
  readonly world: SimulatedWorld;
  readonly traffic: Traffic;
  readonly rates: Rates;
  readonly slots: readonly Slot[];
  readonly groups: readonly string[];
  readonly crash: (slot: Slot, downMs: number) => void;
  /** Kills every process; none starts for so long. */
  readonly shutDown: (ms: number) => void;
}

/** A place where a process runs, one after the other. */
export interface Slot {
  readonly index: number;
  generation: number;
  process: SimulatedProcess | null;
}
