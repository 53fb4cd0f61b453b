import type { Store } from '../runtime/ports.ts';
import { CHECKS } from './checks.ts';

/** A place where a claim does not hold. */
export interface Finding {
  readonly check: string;
  readonly place: string;
  readonly detail: string;
}

export interface CheckResult {
  readonly name: string;
  readonly claim: string;
  readonly findings: readonly Finding[];
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
  readonly results: readonly CheckResult[];
  readonly totals: AuditTotals | null;
}

/**
 * Runs every check over what was logged up to `until` (UTC, `YYYY-MM-DD hh:mm:ss.mmm`). Later batches may be half
 * landed and are left out, so a running system audits clean. `onCheck` is told of each result as it comes.
 */
export const audit = async (
  store: Store,
  until: string,
  onCheck: (result: CheckResult) => void = () => {},
): Promise<AuditReport> => {
  const results: CheckResult[] = [];
  for (const check of CHECKS) {
    const rows = await store.query<{ readonly place: string; readonly detail: string }>(check.sql, { until });
    const result = {
      name: check.name,
      claim: check.claim,
      findings: rows.map((row) => ({ check: check.name, place: row.place, detail: row.detail })),
    };
    results.push(result);
    onCheck(result);
  }
  const [totals] = await store.query<AuditTotals>(
    `SELECT (SELECT count() FROM batches) AS batches,
            (SELECT sum(records) FROM batches WHERE service = 'normalizer') AS records,
            (SELECT count() FROM spans) AS spans,
            (SELECT sum(duplicates) FROM batches WHERE service = 'normalizer') AS duplicates,
            (SELECT sum(dead_letters) FROM batches) AS dead_letters,
            (SELECT count() FROM ledger_entries) AS entries,
            (SELECT sum(calls) FROM ledger_entries) AS net_calls`,
  );
  return { isClean: results.every((result) => result.findings.length === 0), results, totals: totals ?? null };
};
