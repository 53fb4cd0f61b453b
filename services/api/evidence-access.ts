import type { Caller } from '../runtime/access.ts';
import type { ApiContext } from './deps.ts';
import { withoutContent } from './evidence-content.ts';
import type { ViolationDetailRow } from './queries/violations.ts';
import { logAccess } from './reads.ts';

/** A violation whose evidence is as its reader may see it. */
export interface ReadableViolation extends ViolationDetailRow {
  /** Texts in the evidence that the reader may not see; each says so in its place. */
  readonly evidence_withheld: number;
}

/** Longest line of the access log. */
const DETAIL_CHARS_MAX = 8192;

/**
 * Violations of one tenant with their evidence for this caller: without the grant `content` what was said is withheld;
 * with it the reading is in `access_log` before it is given: if it cannot be logged, it is not given.
 */
export const readEvidence = async (
  context: ApiContext,
  caller: Caller,
  violations: readonly ViolationDetailRow[],
): Promise<readonly ReadableViolation[]> => {
  const parts = violations.map((row) => ({ row, found: withoutContent(row.evidence) }));
  if (!caller.grants.has('content')) {
    return parts.map(({ row, found }) =>
      found === null
        ? { ...row, evidence: JSON.stringify(unreadable(row.evidence)), evidence_withheld: 1 }
        : { ...row, evidence: JSON.stringify(found.evidence), evidence_withheld: found.texts },
    );
  }
  const holding = parts.filter(({ found }) => found === null || found.texts > 0).map(({ row }) => row);
  const [first] = holding;
  if (first !== undefined) {
    await logAccess(context, caller, {
      action: 'read_evidence',
      tenant: first.tenant_id,
      subject: holding.length === 1 ? `violation:${first.violation_id}` : `run:${first.run_id}`,
      detail: `violations: ${holding.map((row) => row.violation_id).join(' ')}`.slice(0, DETAIL_CHARS_MAX),
    });
  }
  return violations.map((row) => ({ ...row, evidence_withheld: 0 }));
};

/** Evidence of an unknown form is content as a whole. */
const unreadable = (evidence: string) => ({ evidence: { withheld: 'content', chars: evidence.length } });
