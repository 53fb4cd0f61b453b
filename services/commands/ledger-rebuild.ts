import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { LedgerEntry } from '../../schemas/ledger-entry.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { keyOfStep } from '../ledger/findings.ts';
import type { PriceBook } from '../ledger/prices/price.ts';
import { rebuildRun } from '../ledger/rebuild.ts';
import { normalizeBatch } from '../normalizer/processor.ts';
import { createRedactor } from '../normalizer/redact.ts';
import { ConfigError } from '../runtime/errors.ts';
import type { EventLog, LogRecord, OutgoingRecord, Store } from '../runtime/ports.ts';
import { logActs } from './dlq-actor.ts';
import { openPrices } from './open-prices.ts';
import { type LogRange, readRange, whyGone } from './read-range.ts';
import { differenceLines } from './rebuild-difference.ts';
import { withLog, withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** Which stored steps are read anew; null does not narrow. */
export interface RebuildSelection {
  readonly fromMs: number;
  readonly toMs: number;
  readonly family: string | null;
  readonly tenant: string | null;
}

/** All of it is in memory until the difference has been shown. */
const STEPS_MAX = 200_000;
const STATES_AT_ONCE = 50;
const RECORDS_AT_ONCE = 500;

interface Place extends LogRange {
  readonly steps: number;
}

interface Rebuilt {
  readonly entries: LedgerEntry[];
  readonly records: OutgoingRecord[];
  runs: number;
  /** Runs whose books are not of the log as it is now. */
  left: number;
}

/**
 * Reads stored steps anew from the log with today's conventions, shows what that changes in the books, and books it when
 * `isMeant`. Resolves to the exit code: 1 when some of it could not be read again.
 */
export const rebuildLedger = async (world: World, selection: RebuildSelection, isMeant: boolean): Promise<number> => {
  const prices = await openPrices(world.config);
  return withStoredData(world, ({ store }) =>
    withLog(world, async (log) => {
      const places = await placesOf(store, selection);
      const steps = new Map<string, AgentStep[]>();
      let gone = 0;
      for (const place of places) {
        const why = await whyGone(log, place);
        if (why === null) await readPlace(world, log, store, { place, selection }, steps);
        else {
          gone += place.steps;
          world.print(`left   ${place.steps} steps of ${place.topic}/${place.partition}: ${why}`);
        }
      }
      const rebuilt = await rebuild(world, store, await log.logId(TOPICS.steps), steps, prices.book);
      tell(world, rebuilt, steps, isMeant);
      if (isMeant && rebuilt.records.length > 0) await book(world, log, store, rebuilt, selection);
      return gone + rebuilt.left > 0 ? 1 : 0;
    }),
  );
};

// ------------------------------------------------------------------ what is meant

const MEANT = `ts >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
  AND ({family:Nullable(String)} IS NULL OR family = {family:Nullable(String)})
  AND ({tenant:Nullable(String)} IS NULL OR tenant_id = {tenant:Nullable(String)})`;

const paramsOf = ({ fromMs, toMs, family, tenant }: RebuildSelection) => ({ from: fromMs, to: toMs, family, tenant });

const placesOf = async (store: Store, selection: RebuildSelection): Promise<readonly Place[]> => {
  const rows = await store.query<{
    readonly log_id: string;
    readonly log_topic: string;
    readonly log_partition: number;
    readonly first: string;
    readonly last: string;
    readonly steps: string;
  }>(
    `SELECT log_id, log_topic, log_partition, min(log_offset) AS first, max(log_offset) AS last, count() AS steps
     FROM spans WHERE ${MEANT} GROUP BY log_id, log_topic, log_partition ORDER BY log_topic, log_partition, log_id`,
    paramsOf(selection),
  );
  const all = rows.reduce((sum, row) => sum + Number(row.steps), 0);
  if (all > STEPS_MAX)
    throw new ConfigError([
      { key: '--from/--to', value: `${all} steps`, allowed: `at most ${STEPS_MAX} at once: name a shorter time` },
    ]);
  return rows.map((row) => ({
    ...{ logId: row.log_id, topic: row.log_topic, partition: row.log_partition },
    ...{ first: Number(row.first), end: Number(row.last) + 1, steps: Number(row.steps) },
  }));
};

/** Which steps of a partition are meant, and in which records they stand. */
const meantIn = async (store: Store, { place, selection }: Meant) => {
  const rows = await store.query<{ readonly step_id: string; readonly log_offset: string }>(
    `SELECT step_id, log_offset FROM spans WHERE ${MEANT}
       AND log_id = {log_id:String} AND log_topic = {topic:String} AND log_partition = {partition:UInt32}`,
    { ...paramsOf(selection), log_id: place.logId, topic: place.topic, partition: place.partition },
  );
  return {
    steps: new Set(rows.map((row) => row.step_id)),
    offsets: new Set(rows.map((row) => Number(row.log_offset))),
  };
};

interface Meant {
  readonly place: Place;
  readonly selection: RebuildSelection;
}

const readPlace = async (
  world: World,
  log: EventLog,
  store: Store,
  meant: Meant,
  found: Map<string, AgentStep[]>,
): Promise<void> => {
  const { place } = meant;
  const source = world.config.kafka.sources.find(({ topic }) => topic === place.topic);
  if (source === undefined) {
    world.print(`left   ${place.steps} steps of ${place.topic}: no source of the config names it`);
    return;
  }
  const { steps, offsets } = await meantIn(store, meant);
  const { redact, content } = world.config.normalizer;
  const options = { redactor: createRedactor(redact), mode: content };
  await readRange(world, log, place, (records: readonly LogRecord[]) => {
    const wanted = records.filter(({ offset }) => offsets.has(offset));
    const { logId, topic, partition, first, end } = place;
    const batch = { logId, topic, partition, first, end, records: wanted, batchId: '', variant: '' };
    for (const { value } of normalizeBatch(batch, source, () => false, options).output.produce) {
      const step = decodeAgentStep(value);
      if (step.kind === 'refused' || !steps.has(step.value.step_id)) continue;
      const key = keyOfStep(step.value);
      found.set(key, [...(found.get(key) ?? []), step.value]);
    }
  });
};

// --------------------------------------------------------------------- the books

const rebuild = async (
  world: World,
  store: Store,
  logId: string,
  steps: ReadonlyMap<string, readonly AgentStep[]>,
  prices: PriceBook,
): Promise<Rebuilt> => {
  const rebuilt: Rebuilt = { entries: [], records: [], runs: 0, left: 0 };
  const keys = [...steps.keys()];
  for (let at = 0; at < keys.length; at += STATES_AT_ONCE) {
    const asked = keys.slice(at, at + STATES_AT_ONCE);
    const rows = await store.query<{ readonly run_key: string; readonly state: string }>(
      `SELECT run_key, state FROM run_state
       WHERE service = 'ledger' AND log_id = {log_id:String} AND topic = {topic:String} AND run_key IN {keys:Array(String)}
       ORDER BY as_of DESC LIMIT 1 BY run_key`,
      { log_id: logId, topic: TOPICS.steps, keys: asked },
    );
    rebuilt.left += asked.length - rows.length;
    for (const { run_key, state } of rows) {
      const { entries, records } = rebuildRun(state, steps.get(run_key) ?? [], world.clock.nowMs(), prices);
      rebuilt.entries.push(...entries);
      rebuilt.records.push(...records);
      if (records.length > 0) rebuilt.runs += 1;
    }
  }
  return rebuilt;
};

const book = async (
  world: World,
  log: EventLog,
  store: Store,
  { records }: Rebuilt,
  selection: RebuildSelection,
): Promise<void> => {
  const detail = JSON.stringify({ ...selection, steps: records.length });
  const subject = `${new Date(selection.fromMs).toISOString()}/${new Date(selection.toMs).toISOString()}`;
  await logActs(world, store, [{ action: 'ledger_rebuild', tenant: selection.tenant ?? '', subject, detail }]);
  for (let at = 0; at < records.length; at += RECORDS_AT_ONCE)
    await log.append(records.slice(at, at + RECORDS_AT_ONCE), world.stop);
  world.print(`told   the ledger: ${records.length} steps; it books them as it reads them`);
};

const tell = (
  world: World,
  rebuilt: Rebuilt,
  steps: ReadonlyMap<string, readonly AgentStep[]>,
  isMeant: boolean,
): void => {
  const all = [...steps.values()].reduce((sum, list) => sum + list.length, 0);
  const { records, runs, left, entries } = rebuilt;
  world.print(`read   ${all} steps of ${steps.size} runs: ${records.length} of ${runs} runs are read differently now`);
  if (left > 0)
    world.print(`left   ${left} runs: their books are of a log that is no more, or the ledger has not read them yet`);
  for (const line of differenceLines(entries)) world.print(line);
  if (records.length > 0 && !isMeant) world.progress('nothing was booked; --yes books it');
};
