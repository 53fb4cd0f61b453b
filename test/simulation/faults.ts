import type { Dice } from '../support/random.ts';
import type { Rates, Site } from './site.ts';
import { INPUT, STEPS } from './tasks.ts';

/** `mean`: share of steps with it, on average over all runs. */
interface Fault {
  readonly mean: number;
  readonly strike: (site: Site) => Promise<void>;
}

const DAY_MS = 86_400_000;
const PARTITIONS_MAX = 4;
const someSlot = ({ world, slots }: Site) => world.dice.pick(slots);
const someTopic = ({ world }: Site): string => world.dice.pick([INPUT, STEPS]);
const somePartition = ({ world, traffic }: Site, topic: string): number =>
  world.dice.within(0, traffic.partitions(topic));

const crash: Fault = {
  mean: 0.012,
  strike: async (site) => site.crash(someSlot(site), site.world.dice.within(0, 3_000)),
};

/** Evicts a process that stands still: what it has on its way arrives when others own its partitions. */
const pause: Fault = {
  mean: 0.006,
  strike: async (site) => {
    const { world } = site;
    const { process } = someSlot(site);
    if (process !== null) world.scheduler.pause(process.name, world.dice.within(100, 10_000));
    for (const group of site.groups) world.log.faults.evictMembers(group);
  },
};

const rebalance: Fault = {
  mean: 0.006,
  strike: async ({ world, groups }) => world.log.faults.evictMembers(world.dice.pick(groups)),
};

/** Offsets expire, or are deleted, while nobody of the group is at work; what it sent before may still be landing. */
const lostOffsets: Fault = {
  mean: 0.004,
  strike: async (site) => {
    const { world } = site;
    const group = world.dice.pick(site.groups);
    site.shutDown(world.dice.within(0, 1_000));
    world.scheduler.trace(`${group} loses its offsets`);
    world.log.faults.loseOffsets(group);
  },
};

/** Only a start meets another log under a known name: adapters watch over the one that is read. */
const remake: Fault = {
  mean: 0.002,
  strike: async (site) => {
    for (const slot of site.slots) site.crash(slot, site.world.dice.within(0, 1_000));
    const topic = someTopic(site);
    site.world.scheduler.trace(`${topic} is made anew`);
    await site.traffic.remake(topic);
  },
};

const retention: Fault = {
  mean: 0.002,
  strike: async (site) => {
    const topic = someTopic(site);
    const partition = somePartition(site, topic);
    const [start, end] = [site.traffic.startOf(topic, partition), site.traffic.endOf(topic, partition)];
    const offset = site.world.dice.within(start, end + 1);
    site.world.scheduler.trace(`${topic}/${partition} begins at ${offset}`);
    site.traffic.trim(topic, partition, offset);
  },
};

const morePartitions: Fault = {
  mean: 0.002,
  strike: async ({ traffic }) => {
    if (traffic.partitions(INPUT) < PARTITIONS_MAX) traffic.addPartition();
  },
};

/** A table refuses everything, until a person has mended the schema and starts what had stopped. */
const permanentError: Fault = {
  mean: 0.002,
  strike: async (site) => {
    const { weather, dice, scheduler } = site.world;
    weather.rejecting.add(
      dice.pick(['spans', 'tallies', 'ledger_entries', 'lineage_edges', 'dead_letters', 'run_state', 'batches']),
    );
    scheduler.after(dice.within(100, 5_000), () => {
      weather.rejecting.clear();
      for (const slot of site.slots) site.crash(slot, dice.within(0, 1_000));
    });
  },
};

const poisonStorm: Fault = {
  mean: 0.004,
  strike: async (site) => {
    const topic = someTopic(site);
    for (let left = site.world.dice.within(1, 8); left > 0; left -= 1)
      await site.traffic.sendPoison(`poison${site.traffic.taken.length}`, topic, somePartition(site, topic));
  },
};

const clockJumps: Fault = {
  mean: 0.004,
  strike: async ({ world: { dice, scheduler } }) => scheduler.jump(dice.pick([-1, 1]) * dice.within(1, 3 * DAY_MS)),
};

/** What a world can do to its processes, each at one moment between two steps. */
const FAULTS: Readonly<Record<string, Fault>> = {
  ...{ crash, pause, rebalance, retention },
  'lost offsets': lostOffsets,
  'log made anew': remake,
  'more partitions': morePartitions,
  'permanent error': permanentError,
  'poison storm': poisonStorm,
  'clock jumps': clockJumps,
};

/** Faults that take records away which nobody has read: what is judged exactly has none of them. */
export const TAKING_AWAY: ReadonlySet<string> = new Set(['retention', 'log made anew']);

/** Each fault is there in some runs and not in others, rare in some and frequent in others. */
export const drawRates = (dice: Dice, without: ReadonlySet<string>): Rates => {
  const share = (mean: number): number => (dice.chance(0.4) ? 0 : 2 * mean * dice.float());
  return {
    sends: 0.02 + 0.1 * dice.float(),
    weather: {
      storeRefuses: share(0.03),
      storeUnanswered: share(0.05),
      storeHalf: share(0.05),
      storeSwallows: share(0.03),
      logRefuses: share(0.02),
      logUnanswered: share(0.05),
    },
    faults: Object.fromEntries(
      Object.entries(FAULTS).map(([fault, { mean }]) => [fault, without.has(fault) ? 0 : share(mean)]),
    ),
  };
};

/** Lets at most one fault come; its name, or null. */
export const breakSomething = async (site: Site): Promise<string | null> => {
  let dice = site.world.dice.float();
  for (const [fault, { strike }] of Object.entries(FAULTS)) {
    dice -= site.rates.faults[fault] ?? 0;
    if (dice >= 0) continue;
    await strike(site);
    return fault;
  }
  return null;
};
