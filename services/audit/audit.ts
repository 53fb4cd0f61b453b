import type { Clock, Store } from '../runtime/ports.ts';
import type { Check } from './check.ts';
import { CHECKS } from './checks.ts';
import { findOpenBatches } from './open-batches.ts';

/** A place where a claim does not hold. */
export interface Finding {
  readonly check: string;
  readonly place: string;
  readonly detail: string;
}

export interface CheckResult {
  readonly name: string;
  readonly claim: string;
  readonly kind: Check['kind'];
  readonly findings: readonly Finding[];
  /**
   * Batches logged before this moment (UTC) are proven by the manifest only: rows of the check's table may have expired.
   * null: nothing in the manifest is that old.
   */
  readonly byManifestBefore: string | null;
  /** What is on its way and will be there when the services have gone on: no failure. */
  readonly waiting: readonly Finding[];
}

export interface AuditTotals {
  readonly batches: string;
  readonly records: string;
  readonly spans: string;
  readonly duplicates: string;
  readonly dead_letters: string;
  readonly entries: string;
  readonly net_calls: string;
}

export interface AuditReport {
  readonly isClean: boolean;
  /** Manifest rows written later (UTC, the store's clock) were left out. */
  readonly until: string;
  readonly results: readonly CheckResult[];
  readonly totals: AuditTotals | null;
}

export interface AuditOptions {
  readonly clock: Clock;
  /** Batches younger than this may still be landing, ms; 0 when nobody writes: then nothing is looked at twice. */
  readonly settleMs: number;
  /** Beside a running system: one thread, and no more memory than it can spare. A check beyond that throws STORE_REJECTED. */
  readonly isGentle?: boolean;
  /** Ends the audit in the middle of a check or a wait: throws TransportError ABORTED. */
  readonly signal?: AbortSignal;
}

/** Looks at a finding before it counts: a batch lands within seconds, what is wrong stays wrong. */
const LOOKS_MAX = 4;
/** Beyond this much memory a check goes on on disk: the tables may hold more than fits. */
const SPILL_BYTES = 200 * 1024 * 1024;
/** What an audit beside a running system may hold at once; twice what makes a check go on on disk, with room for its joins. */
const GENTLE_BYTES = 1024 * 1024 * 1024;
/** Rows of one batch are at most the retention of a topic (3 days by default) apart, and parts expire by the day. */
const TTL_MARGIN_DAYS = 4;

/** `service`: whose batch `place` names, of a check whose findings may be batches still open. */
type Row = Pick<Finding, 'place' | 'detail'> & { readonly service?: string };

/** Runs every check. A running system audits clean. `onCheck` is told of each result as it comes. */
export const audit = async (
  store: Store,
  options: AuditOptions,
  onCheck: (result: CheckResult) => void = () => {},
): Promise<AuditReport> => {
  const [moment] = await store.query<{ readonly until: string }>(
    `SELECT toString(now64(3, 'UTC') - toIntervalMillisecond({settle:UInt32})) AS until`,
    { settle: options.settleMs },
  );
  const until = moment?.until ?? '';
  const since = await readHorizons(store);
  const [oldest] = await store.query<{ readonly at: string }>('SELECT toString(min(logged_at)) AS at FROM batches');
  const results: CheckResult[] = [];
  for (const check of CHECKS) {
    const params = { until, since: since.get(check.table) ?? EPOCH };
    const settled = await settle(store, check, await lasting(store, check, params, options));
    // Both are UTC text of one width: the order of the text is the order of time.
    const isOlder = oldest !== undefined && oldest.at > EPOCH && oldest.at < params.since;
    const result: CheckResult = { ...settled, byManifestBefore: isOlder ? params.since : null };
    results.push(result);
    onCheck(result);
  }
  const isClean = results.every((result) => result.findings.length === 0);
  return { isClean, until, results, totals: await readTotals(store) };
};

const EPOCH = '1970-01-02 00:00:00.000';

/** From when on each table still holds everything: its TTL as the table itself says it, with a margin. */
export const readHorizons = async (store: Store): Promise<ReadonlyMap<string, string>> => {
  const rows = await store.query<{ readonly name: string; readonly since: string }>(
    `SELECT name, toString(now64(3, 'UTC') - toIntervalDay(toInt32(days) - least({margin:Int32}, intDiv(toInt32(days), 2)))) AS since
     FROM (SELECT name, toUInt32OrZero(extract(create_table_query, 'toIntervalDay[(]([0-9]+)[)]')) AS days
           FROM system.tables WHERE database = currentDatabase()) WHERE days > 0`,
    { margin: TTL_MARGIN_DAYS },
  );
  return new Map(rows.map(({ name, since }) => [name, since]));
};

/** Findings that are there at every look. */
const lasting = async (
  store: Store,
  check: Check,
  params: { readonly until: string; readonly since: string },
  options: AuditOptions,
): Promise<readonly Row[]> => {
  const gentle = options.isGentle === true ? `, max_threads = 1, max_memory_usage = ${GENTLE_BYTES}` : '';
  const look = () =>
    store.query<Row>(
      `${check.sql} SETTINGS max_bytes_before_external_group_by = ${SPILL_BYTES}, max_bytes_before_external_sort = ${SPILL_BYTES}, use_statistics_for_part_pruning = 0${gentle}`,
      params,
      options.signal,
    );
  let rows = await look();
  for (let looks = 1; rows.length > 0 && options.settleMs > 0 && looks < LOOKS_MAX; looks += 1) {
    await options.clock.sleep(options.settleMs / LOOKS_MAX, options.signal);
    const again = new Set((await look()).map(placeOf));
    rows = rows.filter((row) => again.has(placeOf(row)));
  }
  return rows;
};

const placeOf = (row: Row): string => `${row.service ?? ''} ${row.place}`;

/** Sorts what fails from what waits. */
const settle = async (
  store: Store,
  check: Check,
  rows: readonly Row[],
): Promise<Omit<CheckResult, 'byManifestBefore'>> => {
  const { name, claim, kind } = check;
  const findings = rows.map(({ place, detail }) => ({ check: name, place, detail }));
  if (kind === 'progress') return { name, claim, kind, findings: [], waiting: findings };
  if (kind === 'proof' || findings.length === 0) return { name, claim, kind, findings, waiting: [] };
  const open = await findOpenBatches(store, rows);
  const placeIfOpen = (row: Row): string | undefined => open.get(row.service ?? '')?.get(row.place);
  return {
    name,
    claim,
    kind,
    findings: rows
      .filter((row) => placeIfOpen(row) === undefined)
      .map((row) => ({ check: name, place: `batch ${row.place}`, detail: row.detail })),
    waiting: rows.flatMap((row) => {
      const place = placeIfOpen(row);
      return place === undefined ? [] : [{ check: name, place, detail: row.detail }];
    }),
  };
};

const readTotals = async (store: Store): Promise<AuditTotals | null> => {
  const [totals] = await store.query<AuditTotals>(
    `SELECT (SELECT count() FROM batches) AS batches,
            (SELECT sum(records) FROM batches WHERE service = 'normalizer') AS records,
            (SELECT count() FROM spans) AS spans,
            (SELECT sum(duplicates) FROM batches WHERE service = 'normalizer') AS duplicates,
            (SELECT sum(dead_letters) FROM batches) AS dead_letters,
            (SELECT count() FROM ledger_entries) AS entries,
            (SELECT sum(calls) FROM ledger_entries) AS net_calls`,
  );
  return totals ?? null;
};
