import { z } from 'zod';
import type { Caller } from '../runtime/access.ts';
import type { AuditRow } from './queries/audit.ts';

/** The newest audit in an answer; null before the first. */
export const auditShape = z
  .object({
    started_at: z.string(),
    finished_at: z.string(),
    /** Manifest rows written later were left to the next audit. */
    watermark: z.string(),
    findings: z.number(),
    checks: z.array(
      z.object({
        check: z.string(),
        claim: z.string(),
        kind: z.string(),
        findings: z.number(),
        waiting: z.number(),
        /** The first places, for callers who may see every tenant: places name runs. */
        places: z.array(z.string()),
      }),
    ),
  })
  .nullable();

/** The rows of an audit as an answer; places only for a caller of all tenants. */
export const auditAnswer = (rows: readonly AuditRow[], caller: Caller): z.input<typeof auditShape> => {
  const [first] = rows;
  if (first === undefined) return null;
  return {
    started_at: first.started_at,
    finished_at: first.finished_at,
    watermark: first.watermark,
    findings: rows.reduce((sum, row) => sum + row.findings, 0),
    checks: rows.map(({ check, claim, kind, findings, waiting, places }) => ({
      check,
      claim,
      kind,
      findings,
      waiting,
      places: caller.tenant === null ? [...places] : [],
    })),
  };
};
