import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OtlpPayload } from '../../services/runtime/otlp-sender.ts';
import { type KafkaBroker, startKafkaBroker } from './kafka-broker.ts';
import { itemsIn, KILL_SET, type Load, payloadsIn, sendRound, startLoad, tenantOf } from './kill-load.ts';
import { type KillPlace, type Shape, startApart, startTogether } from './kill-places.ts';
import { endWithUs, pickTarget, startSlot } from './kill-slots.ts';
import { createDice, type Dice } from './random.ts';
import { writeShiftedCaptures } from './shifted-captures.ts';
import { differences, type StoredRows, storedRows } from './stored-rows.ts';
import { runTacho, type Site, sql, until } from './tacho.ts';
import { createWatchedSite, type Watched } from './watched-site.ts';

/** What to kill, how often. */
export interface KillOptions {
  readonly log: 'sqlite' | 'kafka';
  readonly shape: Shape;
  readonly kills: number;
  readonly seed: number;
  /** Told of every kill and of what comes after. */
  readonly say: (line: string) => void;
}

/** What a table has beside the same traffic where nobody was killed. */
export interface TableResult {
  readonly table: string;
  readonly rows: number;
  readonly lost: number;
  readonly doubled: number;
}

export interface KillResult {
  readonly rounds: number;
  readonly requests: number;
  readonly kills: Readonly<Record<string, number>>;
  readonly tables: readonly TableResult[];
  /** Of `tacho audit`. */
  readonly auditCode: number | null;
  readonly auditOutput: string;
  /** Everything that is not as promised. */
  readonly problems: readonly string[];
}

/** Rounds whose tenants have budgets; a slow machine may come to more, which then have none. */
const WATCHED_ROUNDS = 8;
const BETWEEN_MS = [100, 2_000] as const;
/** Share of kills that wait until everything is up; the others hit a start. */
const WAITING = 0.6;
const REBALANCING = 0.25;
const STORED_MAX_MS = 300_000;

const kill = async (place: KillPlace, load: Load, dice: Dice, options: KillOptions) => {
  const kills: Record<string, number> = {};
  await place.untilReady();
  for (let at = 1; at <= options.kills; at += 1) {
    if (dice.chance(WAITING)) await place.untilReady();
    if (dice.chance(REBALANCING)) {
      const did = await place.rebalance(dice);
      if (did !== null) options.say(`      ${did}`);
    }
    const afterMs = dice.within(...BETWEEN_MS);
    await delay(afterMs);
    const target = pickTarget(dice, place.targets);
    await target.kill(dice);
    const kind = target.name.replace(/#.*/, '');
    kills[kind] = (kills[kind] ?? 0) + 1;
    const where = `${options.log} ${options.shape}`;
    options.say(
      `kill ${at}/${options.kills} ${where}: ${target.name} after ${afterMs} ms, ${load.acknowledged()} requests acknowledged`,
    );
  }
  return kills;
};

/** Where nobody kills anything: the same rounds, in one process. */
const startCalm = async (watched: Watched) => {
  const site = await createWatchedSite(watched);
  const up = startSlot('undisturbed', site, ['up'], {}, `${site.api}/readyz`);
  endWithUs(() => [up]);
  await up.untilReady();
  return {
    site,
    end: async () => {
      up.tacho().kill('SIGKILL');
      await up.tacho().exited;
      site.remove();
    },
  };
};

/** Waits until all of it can be queried; what is missing then shows in the comparison. */
const untilStored = (site: Site, rounds: number): Promise<void> =>
  until(
    'all spans are stored',
    async () => {
      const [row] = await sql<{ readonly n: string }>(site, 'SELECT uniqExact(tenant_id, step_id) AS n FROM spans');
      return Number(row?.n) >= rounds * itemsIn(KILL_SET) ? true : null;
    },
    STORED_MAX_MS,
  ).then(
    () => undefined,
    () => undefined,
  );

const countOf = (rows: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row, (counts.get(row) ?? 0) + 1);
  return counts;
};

const compare = (killed: StoredRows, calm: StoredRows): readonly TableResult[] =>
  Object.keys(calm).map((table) => {
    const have = countOf(killed[table] ?? []);
    const should = countOf(calm[table] ?? []);
    let [lost, doubled] = [0, 0];
    for (const [row, count] of should) lost += Math.max(0, count - (have.get(row) ?? 0));
    for (const [row, count] of have) doubled += Math.max(0, count - (should.get(row) ?? 0));
    return { table, rows: calm[table]?.length ?? 0, lost, doubled };
  });

/** Looks until both say the same; what differs after that, differs: `shown` are some of its rows. */
const untilSame = async (killed: Site, calm: Site, rounds: number) => {
  // Four senders: the requests of one run come in any order.
  const options = {
    tenants: Array.from({ length: rounds }, (_, round) => tenantOf(round)),
    isUnordered: true,
  } as const;
  let tables: readonly TableResult[] = [];
  let shown: readonly string[] = [];
  await until(
    'both say the same',
    async () => {
      const [have, should] = [await storedRows(killed, options), await storedRows(calm, options)];
      tables = compare(have, should);
      shown = differences(have, should);
      return tables.every(({ lost, doubled }) => lost + doubled === 0) ? true : null;
    },
    120_000,
  ).catch(() => undefined);
  return { tables, shown };
};

const repeatedIds = async (site: Site): Promise<readonly string[]> => {
  const queries = {
    spans: 'SELECT count() - uniqExact(tenant_id, step_id) AS n FROM spans',
    ledger_entries: 'SELECT count() - uniqExact(entry_id) AS n FROM ledger_entries',
    lineage_edges: 'SELECT count() - uniqExact(edge_id) AS n FROM lineage_edges',
    policy_violations: 'SELECT count() - uniqExact(violation_id) AS n FROM policy_violations',
    incident_events: 'SELECT count() - uniqExact(event_id) AS n FROM incident_events',
  };
  const problems: string[] = [];
  for (const [table, query] of Object.entries(queries)) {
    const [row] = await sql<{ readonly n: string }>(site, query);
    if (row?.n !== '0') problems.push(`${table}: ${row?.n} rows repeat an id`);
  }
  return problems;
};

const judge = async (place: KillPlace, rounds: number, payloads: readonly OtlpPayload[], watched: Watched) => {
  const calm = await startCalm(watched);
  try {
    for (let round = 0; round < rounds; round += 1) await sendRound(calm.site.otlp, round, payloads);
    await untilStored(calm.site, rounds);
    await untilStored(place.site, rounds);
    const { tables, shown } = await untilSame(place.site, calm.site, rounds);
    const repeated = await repeatedIds(place.site);
    const different = tables.filter(({ lost, doubled }) => lost + doubled > 0);
    return {
      tables,
      problems: [
        ...repeated,
        ...different.map(({ table, lost, doubled }) => `${table}: ${lost} rows lost, ${doubled} too many`),
        ...shown,
      ],
    };
  } finally {
    await calm.end();
  }
};

const runAt = async (
  place: KillPlace,
  dice: Dice,
  payloads: readonly OtlpPayload[],
  watched: Watched,
  options: KillOptions,
): Promise<KillResult> => {
  const load = startLoad(createDice(options.seed + 1), payloads, place.urls);
  const kills = await kill(place, load, dice, options);
  const rounds = await load.finish();
  options.say(`all ${rounds} rounds sent; the same to a place where nobody is killed`);
  await place.untilReady();
  const { tables, problems } = await judge(place, rounds, payloads, watched);
  await place.drain();
  const audit = await runTacho(place.site, ['audit']);
  return {
    ...{ rounds, requests: load.acknowledged(), kills, tables },
    ...{ auditCode: audit.code, auditOutput: audit.output },
    problems: [...problems, ...(audit.code === 0 ? [] : [`tacho audit ended with ${audit.code}`])],
  };
};

/**
 * One system under load and kills, judged against the same traffic where nobody is killed. What fails keeps its data
 * folder, and says where; everything random comes from the seed, the moments themselves from the machine.
 */
export const runKills = async (options: KillOptions): Promise<KillResult> => {
  const dice = createDice(options.seed);
  const scratch = mkdtempSync(join(tmpdir(), 'tacho-kill-'));
  const watched = { tenants: Array.from({ length: WATCHED_ROUNDS }, (_, round) => tenantOf(round)), nowMs: Date.now() };
  const payloads = await payloadsIn(writeShiftedCaptures(KILL_SET, scratch, watched.nowMs));
  const broker: KafkaBroker | null = options.log === 'kafka' ? await startKafkaBroker() : null;
  const place = await (options.shape === 'together' ? startTogether : startApart)(watched, broker);
  let result: KillResult | null = null;
  try {
    result = await runAt(place, dice, payloads, watched, options);
    return result;
  } finally {
    await place.end();
    await broker?.stop();
    rmSync(scratch, { recursive: true, force: true });
    if (result !== null && result.problems.length === 0) place.site.remove();
    else options.say(`FAILED: seed ${options.seed}, ${options.log}, ${options.shape}; data kept in ${place.site.dir}`);
  }
};
