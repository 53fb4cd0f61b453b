import { TransportError } from '../../services/runtime/errors.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createDice, type Dice } from '../support/random.ts';
import { breakSomething, drawRates } from './faults.ts';
import { judge } from './judge.ts';
import { type Pipeline, TALLYING } from './pipelines.ts';
import { createProcess, type Defects, type Deploy, type SimulatedWorld, ZOMBIE_MS_MAX } from './process.ts';
import { createScheduler } from './scheduler.ts';
import type { Site, Slot } from './site.ts';
import { createSimulatedStore } from './store.ts';
import { INPUT, STEPS } from './tasks.ts';
import { BATCH_RECORDS_MAX, createTraffic, groupsOf } from './traffic.ts';

/** What a run is to do; all of it but the seed is optional. */
export interface RunOptions {
  readonly seed: number;
  readonly defects?: Defects;
  readonly trace?: (line: string) => void;
  /** What reads the steps; a tally unless given. */
  readonly pipeline?: Pipeline;
  /** Faults that do not come. */
  readonly without?: ReadonlySet<string>;
}

/** How a run ended. */
export interface Verdict {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly steps: number;
  /** How often each fault came. */
  readonly faults: Readonly<Record<string, number>>;
}

const drawDeploy = (dice: Dice): Deploy => ({
  batchRecordsMax: dice.pick([1, 2, 5, BATCH_RECORDS_MAX]),
  lingerMs: dice.pick([0, 5, 50]),
  variant: dice.pick(['by-run', 'by-step']),
});

const boot = (site: Site, slot: Slot, { defects, pipeline = TALLYING }: RunOptions): void => {
  const { world } = site;
  slot.generation += 1;
  const name = `p${slot.index}.${slot.generation}`;
  const deploy = drawDeploy(world.dice);
  world.scheduler.trace(`${name} starts: ${JSON.stringify(deploy)}`);
  const process = createProcess(world, name, pipeline.tasksOf, deploy, defects);
  slot.process = process;
  process.start().catch((error: unknown) => {
    if (slot.process !== process) return;
    if (error instanceof TransportError) site.crash(slot, 100);
    else world.bugs.push(`${name} does not start: ${String(error)}`);
  });
};

const createSite = async (dice: Dice, options: RunOptions): Promise<Site> => {
  const { pipeline = TALLYING } = options;
  const scheduler = createScheduler(dice, options.trace ?? (() => {}));
  let ids = 0;
  const random = { uuid: () => `id-${++ids}`, float: dice.float };
  const log = createMemoryEventLog({ clock: scheduler.clock, random });
  const store = createSimulatedStore();
  const traffic = await createTraffic(log, store, pipeline.folds, pipeline.stepText);
  const rates = drawRates(dice, options.without ?? new Set());
  const world: SimulatedWorld = {
    ...{ dice, scheduler, store, log, weather: { ...rates.weather, rejecting: new Set() } },
    ...{ bugs: [], gaps: [], appended: traffic.note },
  };
  const slots = Array.from(
    { length: dice.within(1, 4) },
    (_, index): Slot => ({ index, generation: 0, process: null }),
  );
  let downUntilMs = 0;
  const start = (slot: Slot, afterMs: number): void =>
    scheduler.after(Math.max(afterMs, downUntilMs - scheduler.elapsedMs()), () => {
      if (slot.process !== null) return;
      if (scheduler.elapsedMs() < downUntilMs) start(slot, 0);
      else boot(site, slot, options);
    });
  const site: Site = {
    ...{ world, traffic, rates, slots, groups: groupsOf(pipeline.folds) },
    crash: (slot, downMs) => {
      slot.process?.kill();
      slot.process = null;
      start(slot, downMs);
    },
    shutDown: (ms) => {
      // One moment later than what happens at the end of the outage.
      downUntilMs = Math.max(downUntilMs, scheduler.elapsedMs() + ms + 1);
      for (const slot of slots) site.crash(slot, ms);
    },
  };
  for (const slot of slots) boot(site, slot, options);
  return site;
};

/** A sender: new records, some of them twice, some through two partitions. */
const send = async ({ world: { dice }, traffic }: Site, id: string): Promise<void> => {
  const partition = dice.within(0, traffic.partitions(INPUT));
  const run = `run${dice.within(0, 4)}`;
  await traffic.send(run, id, partition);
  if (dice.chance(0.1)) await traffic.send(run, id, dice.within(0, traffic.partitions(INPUT)));
  if (!dice.chance(0.1)) return;
  const again = dice.pick(traffic.present());
  const [oldRun, oldId] = again.text.split('/');
  if (oldRun !== undefined && oldId !== undefined) await traffic.send(oldRun, oldId, again.partition);
};

/**
 * Whoever stopped at a gap is set behind it by a person, once nobody of the group is at work and nothing that a dead one
 * sent is on its way: the offset takes the open intent with it (docs/proof.md).
 */
const acceptGaps = (site: Site): void => {
  const { log, scheduler } = site.world;
  const gone = site.slots
    .flatMap((slot) => slot.process?.services ?? [])
    .flatMap((service) =>
      service
        .report()
        .partitions.filter((partition) => partition.is_stopped)
        .map(({ topic, partition }) => ({ group: `tacho-${service.name}`, topic, partition })),
    );
  if (gone.length === 0) return;
  site.shutDown(ZOMBIE_MS_MAX);
  scheduler.after(ZOMBIE_MS_MAX, () => {
    for (const { group, topic, partition } of gone) {
      const offset = site.traffic.startOf(topic, partition);
      scheduler.trace(`a person sets ${group} ${topic}/${partition} to ${offset}`);
      log.faults.moveOffset(group, topic, partition, offset);
    }
  });
};

const isDone = async ({ world: { log }, traffic, groups }: Site): Promise<boolean> => {
  for (const [at, group] of groups.entries()) {
    const topic = at === 0 ? INPUT : STEPS;
    const committed = await log.committed(group, topic);
    for (let partition = 0; partition < traffic.partitions(topic); partition += 1) {
      const end = traffic.endOf(topic, partition);
      const commit = committed.get(partition);
      if (end > 0 && (commit?.offset !== end || commit.metadata !== '')) return false;
    }
  }
  return true;
};

const calm = (site: Site): void => {
  const { weather, scheduler } = site.world;
  scheduler.trace('--- healed');
  Object.assign(weather, {
    storeRefuses: 0,
    storeUnanswered: 0,
    storeHalf: 0,
    storeSwallows: 0,
    logRefuses: 0,
    logUnanswered: 0,
  });
  weather.rejecting.clear();
  for (const slot of site.slots) site.crash(slot, 10);
};

/** A run that needs more steps than these to come to rest is stuck. */
const DRAIN_STEPS_MAX = 30_000;
const LOOK_EVERY = 100;
/** Late inserts of the dead are over by then. */
const QUIET_MS = 25_000;

const drain = async (site: Site): Promise<number> => {
  const { scheduler } = site.world;
  calm(site);
  const quietMs = scheduler.elapsedMs() + QUIET_MS;
  for (let steps = 1; steps < DRAIN_STEPS_MAX; steps += 1) {
    await scheduler.step();
    if (steps % LOOK_EVERY !== 0 || site.world.bugs.length > 0) continue;
    acceptGaps(site);
    if (scheduler.elapsedMs() > quietMs && (await isDone(site))) return steps;
  }
  return DRAIN_STEPS_MAX;
};

const stuckAt = (site: Site): readonly string[] =>
  site.slots
    .flatMap((slot) => slot.process?.services ?? [])
    .map((service) => `stuck: ${JSON.stringify(service.report())}`);

/** One world from its seed: traffic under faults, then calm until all is read, then the judgement. */
export const runSeed = async (options: RunOptions): Promise<Verdict> => {
  const dice = createDice(options.seed);
  const site = await createSite(dice, options);
  const { scheduler, bugs, gaps, store } = site.world;
  const faults: Record<string, number> = {};
  const wanted = dice.within(5, 40);
  let steps = 0;
  for (let sent = 0; sent < wanted && bugs.length === 0; steps += 1) {
    await scheduler.step();
    if (dice.chance(site.rates.sends)) await send(site, `s${sent++}`);
    const fault = await breakSomething(site);
    if (fault !== null) faults[fault] = (faults[fault] ?? 0) + 1;
  }
  const drained = bugs.length > 0 ? 0 : await drain(site);
  const stuck = drained === DRAIN_STEPS_MAX ? stuckAt(site) : [];
  for (const slot of site.slots) slot.process?.kill();
  const { pipeline = TALLYING } = options;
  const judged = () => [
    ...judge(store, site.traffic, gaps, pipeline.folds.length),
    ...pipeline.judge(store, site.traffic),
  ];
  const problems = bugs.length > 0 || stuck.length > 0 ? [...bugs, ...stuck] : judged();
  return { seed: options.seed, problems, steps: steps + drained, faults };
};
