import { type Query, READ_SETTINGS } from './query.ts';

/** One check of the newest audit. Times are ISO 8601. */
export interface AuditRow {
  readonly check: string;
  readonly claim: string;
  readonly kind: string;
  readonly findings: number;
  readonly waiting: number;
  readonly places: readonly string[];
  readonly watermark: string;
  readonly started_at: string;
  readonly finished_at: string;
}

/** Every check of the newest audit, in the order they ran; no rows before the first audit. */
export const newestAuditQuery = (): Query => ({
  sql: `SELECT a.check AS check, a.claim AS claim, a.kind AS kind, a.findings AS findings, a.waiting AS waiting,
  a.places AS places, a.watermark AS watermark, a.started_at AS started_at, a.finished_at AS finished_at
FROM audit_results AS a
WHERE a.audit_id = (SELECT argMax(audit_id, finished_at) FROM audit_results)
ORDER BY a.position
LIMIT 1000
${READ_SETTINGS}`,
  params: {},
});
