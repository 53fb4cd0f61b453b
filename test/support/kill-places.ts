import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type EngineServer, startEngineServer } from './engine-server.ts';
import type { KafkaBroker } from './kafka-broker.ts';
import { endWithUs, type Slot, startServiceSlot, startSlot, type Target } from './kill-slots.ts';
import type { Dice } from './random.ts';
import { runTacho, type Site } from './tacho.ts';
import { createWatchedSite, type Watched } from './watched-site.ts';

/** A system under kills. */
export interface KillPlace {
  readonly shape: Shape;
  readonly site: Site;
  /** OTLP endpoints that senders use. */
  readonly urls: () => readonly string[];
  readonly targets: readonly Target[];
  /** Lets members join and leave their groups in order; what it did, or null. */
  readonly rebalance: (dice: Dice) => Promise<string | null>;
  readonly untilReady: () => Promise<void>;
  /** Ends everything but the store in order; throws when a process did not end with 0. */
  readonly drain: () => Promise<void>;
  /** SIGKILL of all that is left. */
  readonly end: () => Promise<void>;
}

/** Every service in one process with the engine as its child, or every service a process of its own. */
export type Shape = 'together' | 'apart';

const DOWN_MS_MAX = 1_500;

const slotTarget = (slot: Slot, weight: number): Target => ({
  name: slot.name,
  weight,
  kill: (dice) => slot.kill(dice.within(0, DOWN_MS_MAX)),
});

const brokerTarget = (broker: KafkaBroker): Target => ({
  name: 'broker',
  weight: 1,
  kill: async (dice) => {
    await broker.kill();
    await delay(dice.within(0, DOWN_MS_MAX));
    await broker.restart();
  },
});

/** What the sites of a log have in their environment. */
const logEnv = (broker: KafkaBroker | null): Readonly<Record<string, string>> =>
  broker === null
    ? {}
    : {
        TACHO_KAFKA_BROKERS: broker.brokers.join(','),
        TACHO_KAFKA_SESSION_TIMEOUT_MS: '3000',
        TACHO_KAFKA_PARTITIONS: '3',
      };

const endedWell = async (slots: readonly Slot[]): Promise<void> => {
  const codes = await Promise.all(slots.map(async (slot) => ({ slot, code: await slot.stop() })));
  for (const { slot, code } of codes)
    if (code !== 0) throw new Error(`${slot.name} ended with ${code} when asked to stop:\n${slot.tacho().output()}`);
};

const killAll = async (slots: readonly Slot[]): Promise<void> => {
  for (const slot of slots) slot.tacho().kill('SIGKILL');
  for (const slot of slots) await slot.tacho().exited;
};

/** The pid of the engine that runs in a folder; null while none does. */
const enginePid = (dir: string): number | null => {
  const file = join(dir, 'engine.json');
  if (!existsSync(file)) return null;
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly pid: number }).pid;
};

const killEngine = (dir: string): void => {
  const pid = enginePid(dir);
  try {
    if (pid !== null) process.kill(pid, 'SIGKILL');
  } catch {
    // It was just ending by itself.
  }
};

/** `tacho up`: the whole process is killed, or the engine it keeps as a child. */
export const startTogether = async (watched: Watched, broker: KafkaBroker | null): Promise<KillPlace> => {
  const site = await createWatchedSite(watched, logEnv(broker));
  const up = startSlot('up', site, ['up'], {}, `${site.api}/readyz`);
  endWithUs(() => [up]);
  return {
    shape: 'together',
    site,
    urls: () => [site.otlp],
    targets: [
      slotTarget(up, 3),
      { name: 'engine', weight: 1, kill: async () => killEngine(site.dir) },
      ...(broker === null ? [] : [brokerTarget(broker)]),
    ],
    rebalance: async () => null,
    untilReady: up.untilReady,
    drain: () => endedWell([up]),
    end: () => killAll([up]),
  };
};

/** Members of the groups at the start, and services that get one more for a while. */
const MEMBERS = ['receiver', 'normalizer', 'normalizer', 'ledger', 'ledger', 'lineage', 'policy', 'alerter'] as const;
const JOINING = ['normalizer', 'ledger', 'lineage', 'policy', 'alerter'] as const;

/** Every service a process of its own beside one engine; members come and go. */
export const startApart = async (watched: Watched, broker: KafkaBroker | null): Promise<KillPlace> => {
  const bare = await createWatchedSite(watched, logEnv(broker));
  const folder = join(bare.dir, 'engine');
  const engine: EngineServer = await startEngineServer(folder);
  const store = {
    TACHO_CLICKHOUSE_URL: engine.url,
    TACHO_CLICKHOUSE_USER: engine.user,
    TACHO_CLICKHOUSE_PASSWORD: engine.password,
  };
  const site: Site = { ...bare, env: { ...bare.env, ...store }, clickhouse: engine.url };
  const migrated = await runTacho(site, ['migrate']);
  if (migrated.code !== 0) throw new Error(migrated.output);
  const slots: (Slot & { readonly otlp: string })[] = [];
  for (const [at, service] of MEMBERS.entries()) slots.push(await startServiceSlot(`${service}#${at}`, service, site));
  const guests: Slot[] = [];
  endWithUs(() => [...slots, ...guests]);
  const receivers = slots.filter(({ name }) => name.startsWith('receiver'));
  return {
    shape: 'apart',
    site,
    urls: () => receivers.map(({ otlp }) => otlp),
    targets: [
      ...slots.map((slot) => slotTarget(slot, 1)),
      {
        name: 'engine',
        weight: 1,
        kill: async () => {
          killEngine(folder);
          await engine.start();
        },
      },
      ...(broker === null ? [] : [brokerTarget(broker)]),
    ],
    rebalance: async (dice) => {
      const leaving = guests.shift();
      if (leaving !== undefined) {
        await leaving.stop();
        return `${leaving.name} leaves`;
      }
      const service = dice.pick(JOINING);
      guests.push(await startServiceSlot(`${service}#guest`, service, site));
      return `${service}#guest joins`;
    },
    untilReady: async () => {
      for (const slot of [...slots, ...guests]) await slot.untilReady();
    },
    drain: () => endedWell([...slots, ...guests]),
    end: async () => {
      await killAll([...slots, ...guests]);
      await engine.stop();
    },
  };
};
