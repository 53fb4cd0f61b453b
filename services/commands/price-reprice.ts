import { TOPICS } from '../../schemas/topics.ts';
import type { PriceBook } from '../ledger/prices/price.ts';
import { bookAsKnownAt, type RepricedRun, repriceRecords, repriceRun } from '../ledger/reprice.ts';
import { utcMillisText } from '../ledger/utc-time.ts';
import { ConfigError, TransportError } from '../runtime/errors.ts';
import type { EventLog, OutgoingRecord, Store } from '../runtime/ports.ts';
import { logActs } from './dlq-actor.ts';
import { type ClosedMonths, isInClosedMonth, readClosedMonths } from './price-close.ts';
import { createPriceDifference, type PriceDifference } from './price-reprice-difference.ts';
import { withLog, withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** Which calls are priced anew, by their own time; null does not narrow. */
export interface RepriceSelection {
  readonly fromMs: number;
  readonly toMs: number;
  readonly model: string | null;
  readonly tenant: string | null;
  /** By what was known then; null: by all that is known today. */
  readonly knownAtMs: number | null;
  readonly includeClosed: boolean;
}

/** Runs of one command: their keys are listed first. */
const RUNS_MAX = 1_000_000;
/** Calls that change: all of them are in memory until the difference has been shown. */
const CHANGED_CALLS_MAX = 500_000;
const STATES_AT_ONCE = 100;
const RECORDS_AT_ONCE = 50;

interface RunOfCalls {
  readonly key: string;
  /** Calls of it that stand in the books and are meant. */
  readonly calls: number;
}

interface Repriced {
  readonly difference: PriceDifference;
  readonly runs: RepricedRun[];
  looked: number;
  closed: number;
  /** Calls whose run's state does not tell them any more: what stands for them cannot be made out again. */
  left: number;
}

/** What a re-pricing works with. */
export interface RepriceDeps {
  readonly world: Pick<World, 'clock' | 'random' | 'stop' | 'print' | 'progress'>;
  readonly log: Pick<EventLog, 'append' | 'logId'>;
  readonly store: Store;
  readonly prices: PriceBook;
}

/**
 * Prices calls anew, shows what that changes by day and model, and has the ledger book it when `isMeant`. Resolves to the
 * exit code: 1 when some calls could not be looked at, or it was ended before all was told. Ended in the middle, what was told is booked, and the same command
 * goes on with the rest.
 */
export const repriceLedger = async (
  world: World,
  prices: PriceBook,
  selection: RepriceSelection,
  isMeant: boolean,
): Promise<number> => {
  return withStoredData(world, ({ store }) =>
    withLog(world, (log) => reprice({ world, log, store, prices }, selection, isMeant)),
  );
};

/** As `repriceLedger`, on a log and a store that are open. */
export const reprice = async (deps: RepriceDeps, selection: RepriceSelection, isMeant: boolean): Promise<number> => {
  const closed = selection.includeClosed ? new Map() : await readClosedMonths(deps.store);
  const runs = await runsOf(deps.store, selection);
  const repriced = await priceAnew(deps, selection, closed, runs);
  tell(deps.world, repriced, runs.length, isMeant);
  const isDone = !isMeant || repriced.runs.length === 0 || (await book(deps, repriced, selection));
  return isDone && repriced.left === 0 ? 0 : 1;
};

// ------------------------------------------------------------------ what is meant

const runsOf = async (
  store: Store,
  { fromMs, toMs, model, tenant }: RepriceSelection,
): Promise<readonly RunOfCalls[]> => {
  const rows = await store.query<{ readonly tenant_id: string; readonly run_id: string; readonly calls: string }>(
    `SELECT tenant_id, run_id, count() AS calls FROM (
       SELECT tenant_id, run_id, call_id FROM ledger_entries
       WHERE ts >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
         AND entry_kind = 'call'
         AND ({model:Nullable(String)} IS NULL OR model = {model:Nullable(String)})
         AND ({tenant:Nullable(String)} IS NULL OR tenant_id = {tenant:Nullable(String)})
       GROUP BY tenant_id, run_id, call_id HAVING sum(if(calls < 0, -1, 1)) > 0
     ) GROUP BY tenant_id, run_id ORDER BY tenant_id, run_id LIMIT ${RUNS_MAX + 1}`,
    { from: fromMs, to: toMs, model, tenant },
  );
  if (rows.length > RUNS_MAX) throw tooMany(`more than ${RUNS_MAX} runs`);
  return rows.map(({ tenant_id, run_id, calls }) => ({ key: `${tenant_id}|${run_id}`, calls: Number(calls) }));
};

const tooMany = (value: string): ConfigError =>
  new ConfigError([{ key: '--from/--to', value, allowed: 'fewer at once: name a shorter time, a model or a tenant' }]);

// ------------------------------------------------------------------- the new prices

const priceAnew = async (
  deps: RepriceDeps,
  selection: RepriceSelection,
  closed: ClosedMonths,
  runs: readonly RunOfCalls[],
): Promise<Repriced> => {
  const { store, world } = deps;
  const { knownAtMs, model } = selection;
  const prices = knownAtMs === null ? deps.prices : bookAsKnownAt(deps.prices, knownAtMs * 1000);
  const logId = await deps.log.logId(TOPICS.steps);
  const repriced: Repriced = { difference: createPriceDifference(), runs: [], looked: 0, closed: 0, left: 0 };
  const [from, to] = [utcMillisText(selection.fromMs), utcMillisText(selection.toMs)];
  for (let at = 0; at < runs.length; at += STATES_AT_ONCE) {
    if (world.stop.aborted) throw new TransportError('ABORTED', 'told to stop', { retryable: false });
    const asked = runs.slice(at, at + STATES_AT_ONCE);
    const states = await statesOf(store, logId, asked);
    for (const { key, calls } of asked) {
      const text = states.get(key);
      let closedHere = 0;
      const run =
        text === undefined
          ? null
          : repriceRun(text, prices, (booking) => {
              if (booking.ts < from || booking.ts >= to || (model !== null && booking.model !== model)) return false;
              const isClosed = isInClosedMonth(closed, booking.tenant_id, booking.ts);
              if (isClosed) closedHere += 1;
              return !isClosed;
            });
      take(repriced, run, { calls, closed: closedHere });
    }
  }
  return repriced;
};

const take = (
  repriced: Repriced,
  run: RepricedRun | null,
  { calls, closed }: { readonly calls: number; readonly closed: number },
): void => {
  const looked = run?.looked ?? 0;
  repriced.looked += looked;
  repriced.closed += closed;
  repriced.left += Math.max(0, calls - looked - closed);
  if (run === null || run.changed.length === 0) return;
  for (const { booking, wanted } of run.changed) repriced.difference.add(booking, wanted);
  if (repriced.difference.calls() > CHANGED_CALLS_MAX)
    throw tooMany(`more than ${CHANGED_CALLS_MAX} calls that change`);
  repriced.runs.push(run);
};

/** The newest state of each run; its number is looked for first, for a long run has a thousand of which one is read. */
const statesOf = async (
  store: Store,
  logId: string,
  asked: readonly RunOfCalls[],
): Promise<ReadonlyMap<string, string>> => {
  const rows = await store.query<{ readonly run_key: string; readonly state: string }>(
    `SELECT run_key, state FROM run_state
     WHERE service = 'ledger' AND log_id = {log_id:String} AND topic = {topic:String} AND run_key IN {keys:Array(String)}
       AND (run_key, as_of) IN (
         SELECT run_key, max(as_of) FROM run_state
         WHERE service = 'ledger' AND log_id = {log_id:String} AND topic = {topic:String} AND run_key IN {keys:Array(String)}
         GROUP BY run_key)
     LIMIT 1 BY run_key`,
    { log_id: logId, topic: TOPICS.steps, keys: asked.map(({ key }) => key) },
  );
  return new Map(rows.map(({ run_key, state }) => [run_key, state]));
};

// --------------------------------------------------------------------- the books

const tell = (world: RepriceDeps['world'], repriced: Repriced, runs: number, isMeant: boolean): void => {
  const { difference, looked, closed, left } = repriced;
  world.print(`looked at ${looked} calls of ${runs} runs: ${difference.calls()} have another price`);
  if (closed > 0) world.print(`left   ${closed} calls in closed months; --include-closed takes them in`);
  if (left > 0)
    world.print(`left   ${left} calls: their run's state is of a log that is no more, has expired, or is summarised`);
  for (const line of difference.lines()) world.print(line);
  if (difference.calls() > 0 && !isMeant) world.progress('nothing was booked; --yes books it');
};

/** Resolves to whether all of it was told. */
const book = async (
  { world, log, store }: RepriceDeps,
  { runs, difference }: Repriced,
  selection: RepriceSelection,
): Promise<boolean> => {
  const atMs = world.clock.nowMs();
  const detail = JSON.stringify({ ...selection, calls: difference.calls() });
  const subject = `${new Date(selection.fromMs).toISOString()}/${new Date(selection.toMs).toISOString()}`;
  await logActs(world, store, [{ action: 'ledger_reprice', tenant: selection.tenant ?? '', subject, detail }]);
  let told = 0;
  let pending: OutgoingRecord[] = [];
  const send = async (): Promise<void> => {
    await log.append(pending, world.stop);
    told += pending.length;
    pending = [];
  };
  for (const run of runs) {
    if (world.stop.aborted) break;
    pending.push(...repriceRecords(run, atMs));
    if (pending.length >= RECORDS_AT_ONCE) await send();
  }
  if (!world.stop.aborted && pending.length > 0) await send();
  const rest = world.stop.aborted ? '; it was ended there: the same command goes on with the rest' : '';
  world.print(`told   the ledger: ${told} commands; it books them as it reads them${rest}`);
  return !world.stop.aborted;
};
