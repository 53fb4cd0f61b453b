import type { Store } from '../../runtime/ports.ts';
import type { Finding, FindingRow, Scope } from './finding.ts';
import { FINDINGS } from './registry.ts';
import { inScope, scoped } from './scope-sql.ts';

/** A finding with the senders that show it. */
export interface FoundFinding {
  readonly finding: Finding;
  /** Worst first. */
  readonly rows: readonly SenderRow[];
}

/** One sender that shows a finding, and the fix for just that sender. */
export interface SenderRow extends FindingRow {
  readonly fix: string;
  /** All model calls of this sender in the time asked about; null: unknown, or it is no sender of calls. */
  readonly calls_of_sender: number | null;
}

/** One service as one family tells of it. */
export interface Sender {
  readonly tenant_id: string;
  readonly service: string;
  readonly family: string;
  readonly calls: number | null;
  readonly steps: number;
}

export interface TelemetryReport {
  readonly findings: readonly FoundFinding[];
  /** Everyone who sent anything, whether it shows a finding or not. */
  readonly senders: readonly Sender[];
}

/** Asks every finding of the store, one after the other: a look at telemetry must not crowd out who writes it. */
export const readTelemetry = async (
  store: Pick<Store, 'query'>,
  scope: Scope,
  findings: readonly Finding[] = FINDINGS,
): Promise<TelemetryReport> => {
  const ask = <T>(query: ReturnType<Finding['query']>): Promise<readonly T[]> =>
    store.query<T>(query.sql, query.params);
  const senders = await ask<Sender>(sendersQuery(scope));
  const calls = new Map(senders.map((sender) => [keyOf(sender), sender.calls]));
  const found: FoundFinding[] = [];
  for (const finding of findings) {
    const rows = await ask<FindingRow>(finding.query(scope));
    if (rows.length === 0) continue;
    found.push({
      finding,
      rows: rows.map((row) => ({
        ...row,
        fix: finding.fixes?.[row.family] ?? finding.fix,
        calls_of_sender: calls.get(keyOf(row)) ?? null,
      })),
    });
  }
  return { findings: found, senders };
};

const keyOf = ({ tenant_id, service, family }: Pick<Sender, 'tenant_id' | 'service' | 'family'>): string =>
  JSON.stringify([tenant_id, service, family]);

/** Services by family with what they sent; calls as they stand in the books under the family that was believed. */
const sendersQuery = (scope: Scope): ReturnType<Finding['query']> =>
  scoped(
    scope,
    `SELECT tenant_id, service, family, if(sum(booked) = 0, NULL, sum(calls_one)) AS calls, toInt64(sum(steps_one)) AS steps
FROM (
  SELECT s.tenant_id AS tenant_id, toString(s.service) AS service, toString(s.family) AS family,
    toInt64(0) AS calls_one, toUInt64(0) AS booked, count() AS steps_one
  FROM spans AS s
  WHERE ${inScope(scope, 's')} AND s.step_kind != 'other'
  GROUP BY tenant_id, service, family
  UNION ALL
  SELECT e.tenant_id AS tenant_id, toString(e.service) AS service, toString(e.family) AS family,
    sum(e.calls) AS calls_one, toUInt64(1) AS booked, toUInt64(0) AS steps_one
  FROM ledger_entries AS e
  WHERE ${inScope(scope, 'e')}
  GROUP BY tenant_id, service, family
)
GROUP BY tenant_id, service, family`,
  );
