import { TransportError } from '../../services/runtime/errors.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { Metrics } from '../../services/runtime/metrics.ts';
import type { EventLog, Logger, OutgoingRecord, RecordPosition, Row, Store } from '../../services/runtime/ports.ts';
import { createStreamService, type StreamService } from '../../services/runtime/stream/service.ts';
import type { StreamTask } from '../../services/runtime/stream/types.ts';
import type { Dice } from '../support/random.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimulatedStore } from './store.ts';

/** What may go wrong with a request, as shares of all. Healed: all zero. */
export interface Weather {
  storeRefuses: number;
  storeUnanswered: number;
  storeHalf: number;
  storeSwallows: number;
  logRefuses: number;
  logUnanswered: number;
  /** Tables that refuse every insert for ever, as with a broken schema. */
  readonly rejecting: Set<string>;
}

/** One simulated world. */
export interface SimulatedWorld {
  readonly dice: Dice;
  readonly scheduler: Scheduler;
  readonly store: SimulatedStore;
  readonly log: MemoryEventLog;
  readonly weather: Weather;
  /** Bugs that surfaced, and gaps that were told. */
  readonly bugs: string[];
  readonly gaps: string[];
  /** Told of everything the processes append. */
  readonly appended: (records: readonly OutgoingRecord[], positions: readonly RecordPosition[]) => void;
}

/** What a deploy decides. */
export interface Deploy {
  readonly batchRecordsMax: number;
  readonly lingerMs: number;
  readonly variant: string;
}

/** A protocol with a defect wraps what a process is given. */
export interface Defects {
  readonly store?: (store: Store, world: SimulatedWorld) => Store;
  readonly log?: (log: EventLog, world: SimulatedWorld) => EventLog;
}

/** A process of every service, on a client of the log and the store of its own. */
export interface SimulatedProcess {
  readonly name: string;
  readonly services: readonly StreamService[];
  /** Rejects with TransportError when a service cannot join. */
  readonly start: () => Promise<void>;
  readonly kill: () => void;
}

const unavailable = (): TransportError => new TransportError('STORE_UNAVAILABLE', 'simulated', { retryable: true });
const rejected = (): TransportError => new TransportError('STORE_REJECTED', 'simulated schema', { retryable: false });
const logDown = (): TransportError => new TransportError('LOG_UNAVAILABLE', 'simulated', { retryable: true });

/** An insert whose sender died may still be executed, the server is at it: not later than its deadline. */
export const ZOMBIE_MS_MAX = 20_000;

/** The store as this process reaches it: each request waits for its turn and may fail before, amid or after its effect. */
const storeOf = (world: SimulatedWorld, owner: string): Store => {
  const { dice, scheduler, store, weather } = world;
  const landLater = (table: string, rows: readonly Row[], token: string): void => {
    if (dice.chance(0.5)) return;
    const end = store.begin(token);
    scheduler.after(dice.within(0, ZOMBIE_MS_MAX), () => {
      end();
      scheduler.trace(`late insert of ${owner} into ${table}`);
      store.land(table, rows, token);
    });
  };
  return {
    insert: async (table, rows, { token, signal }) => {
      if (signal?.aborted) throw new TransportError('ABORTED', 'aborted before it was sent', { retryable: false });
      const what = `insert ${rows.length} ${table} ${token.slice(token.indexOf('/'))}`;
      const dropped = (): void => landLater(table, rows, token);
      await scheduler.turn(owner, what, signal, dropped).catch((error: unknown) => {
        landLater(table, rows, token);
        throw error;
      });
      if (weather.rejecting.has(table)) throw rejected();
      const fate = dice.float();
      let edge = weather.storeRefuses;
      if (fate < edge) throw unavailable();
      edge += weather.storeSwallows;
      if (fate < edge) {
        scheduler.trace(`${owner} … swallowed`);
        store.swallow(table, rows, token);
        throw unavailable();
      }
      edge += weather.storeHalf;
      if (fate < edge) {
        scheduler.trace(`${owner} … half landed`);
        store.land(table, rows, token, () => dice.chance(0.5));
        throw unavailable();
      }
      store.land(table, rows, token);
      edge += weather.storeUnanswered;
      if (fate >= edge) return;
      scheduler.trace(`${owner} … landed, unanswered`);
      throw unavailable();
    },
    query: async <T>(sql: string, params?: object, signal?: AbortSignal) => {
      await scheduler.turn(owner, 'query', signal);
      if (dice.chance(weather.storeRefuses)) throw unavailable();
      // The loop's own parser of rows is its type parameter.
      return store.answer(sql, { ...params }) as readonly unknown[] as readonly T[];
    },
    command: async () => {},
    ping: async () => {},
    close: async () => {},
  };
};

const loggerOf = (world: SimulatedWorld, owner: string): Logger => {
  const say = (_: object, message: string): void => world.scheduler.trace(`${owner} says: ${message}`);
  return {
    debug: () => {},
    info: say,
    warn: say,
    error: (fields, message) => {
      say(fields, message);
      if ('gap' in fields && 'topic' in fields && 'partition' in fields)
        world.gaps.push(`${String(fields.topic)}/${String(fields.partition)} ${message}`);
    },
    child: () => loggerOf(world, owner),
  };
};

const NO_METRICS: Metrics = { count: () => {}, gauge: () => {}, observe: () => {}, expose: async () => '' };

/** Builds a process; nothing runs yet. */
export const createProcess = (
  world: SimulatedWorld,
  name: string,
  tasksOf: (store: Store, deploy: Deploy) => readonly StreamTask[],
  deploy: Deploy,
  defects: Defects = {},
): SimulatedProcess => {
  const { dice, scheduler, weather } = world;
  let isDead = false;
  const turn = async (): Promise<void> => {
    await scheduler.turn(name, 'log');
    if (dice.chance(weather.logRefuses)) throw logDown();
  };
  const client = world.log.openClient(turn);
  const answering: EventLog = {
    ...client,
    append: async (records, signal) => {
      const positions = await client.append(records, signal);
      world.appended(records, positions);
      if (dice.chance(weather.logUnanswered)) throw logDown();
      return positions;
    },
  };
  const store = storeOf(world, name);
  const given = {
    store: defects.store?.(store, world) ?? store,
    log: defects.log?.(answering, world) ?? answering,
  };
  const deps = { ...given, clock: scheduler.clock, logger: loggerOf(world, name), metrics: NO_METRICS };
  const settings = {
    batchRecordsMax: deploy.batchRecordsMax,
    batchBytesMax: 1_000_000,
    lingerMs: deploy.lingerMs,
    idleMs: 500,
    onCrash: (error: unknown) => {
      if (!isDead)
        world.bugs.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    },
  };
  const services = tasksOf(given.store, deploy).map((task) => createStreamService(deps, task, settings));
  return {
    name,
    services,
    start: async () => {
      for (const service of services) await service.start();
    },
    kill: () => {
      isDead = true;
      scheduler.trace(`${name} dies`);
      scheduler.drop(name);
      client.crash();
    },
  };
};
