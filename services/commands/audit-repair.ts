import { ROLLUPS } from '../../schemas/rollup.ts';
import { readHorizons } from '../audit/audit.ts';
import { carryOut, planRepair, type SlicesPlace, sayPlan } from '../audit/repair.ts';
import { buildGroup } from '../rollup/build.ts';
import type { Store } from '../runtime/ports.ts';
import { openLog } from './open-log.ts';
import { openPrices } from './open-prices.ts';
import type { OpenStore } from './open-store.ts';
import { repairTasks } from './repair-tasks.ts';
import { createReplay } from './replay-batch.ts';
import type { World } from './world.ts';

/**
 * Beside running services only batches confirmed so long ago are touched: their service has gone on, and what an
 * insert of a former owner could still bring has long landed.
 */
const CONFIRMED_FOR_MS = 10 * 60_000;
const EPOCH = '1970-01-02 00:00:00.000';

/** Says what there is to mend and, unless it is a dry run, mends it. True when nothing was left unmended. */
export const repairStore = async (world: World, opened: OpenStore, isDryRun: boolean): Promise<boolean> => {
  const { store } = opened;
  const ageMs = opened.settleMs === 0 ? 0 : CONFIRMED_FOR_MS;
  const [moment] = await store.query<{ readonly until: string; readonly look: string }>(
    `SELECT toString(now64(3, 'UTC') - toIntervalMillisecond({age:UInt32})) AS until, toUnixTimestamp64Milli(now64(3, 'UTC')) AS look`,
    { age: ageMs },
  );
  const horizons = await readHorizons(store);
  const plan = await planRepair(store, moment?.until ?? '', (table) => horizons.get(table) ?? EPOCH);
  const sentences = sayPlan(plan);
  for (const sentence of sentences) world.print(`plan  ${sentence}`);
  if (sentences.length === 0) world.print('plan  nothing that can be mended');
  if (isDryRun || sentences.length === 0) return sentences.length === 0;
  const log = await openLog(world);
  let isAllMended = true;
  try {
    const hands = {
      replay: createReplay(world, log, store, repairTasks(world, log, store, await openPrices(world.config))),
      rebuild: (slices: SlicesPlace) => rebuild(world, store, slices, Number(moment?.look)),
    };
    await carryOut(store, plan, hands, ({ place, did, isMended }) => {
      isAllMended &&= isMended;
      world.print(`${isMended ? 'done' : 'left'}  ${place}: ${did}`);
    });
  } finally {
    await log.close();
  }
  return isAllMended;
};

const rebuild = async (world: World, store: Store, slices: SlicesPlace, lookMs: number): Promise<void> => {
  const rollup = ROLLUPS.find(({ kind }) => kind === slices.kind);
  if (rollup !== undefined) await buildGroup({ ...world, store }, { ...slices, rollup }, lookMs);
};
