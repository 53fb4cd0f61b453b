import { hash128 } from '../../schemas/identity.ts';
import type { Caller } from '../runtime/access.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { ApiContext } from './deps.ts';
import { type Review, type ViolationDetailRow, type ViolationRow, violationQuery } from './queries/violations.ts';
import { logAccess, read } from './reads.ts';
import { onlyTenant } from './tenant-scope.ts';

/** The violation of this id among what the caller may see. Throws 404, or 409 with the tenants when several have it. */
export const findViolation = async (
  context: ApiContext,
  scope: string | null,
  id: string,
): Promise<ViolationDetailRow> =>
  onlyTenant(
    await read<ViolationDetailRow>(context, violationQuery({ tenant: scope, violationId: id })),
    `violation ${id}`,
  );

export interface ReviewAsk {
  readonly review: Review;
  readonly actor: string;
  readonly comment: string;
  readonly untilMs: number | null;
  /** Idempotency-Key of the request: the same key is the same word, within the store's window for equal inserts. */
  readonly key: string | null;
}

/** What a review does, and what it does not, in words for the one who asked. */
export const REVIEW_EFFECTS: Readonly<Record<Review, string>> = {
  confirm: 'Recorded. The violation and its incident stay as they are; resolve the incident when it is dealt with.',
  dismiss:
    'Recorded. The violation stays stored and counted, marked as dismissed; its incident stays open until it is resolved.',
  except:
    'Recorded and shown until then. The rule still judges and still reports: nothing is held back by an exception yet. To stop the rule for a case, change the rule file.',
};

/** Stores what a person says of a violation; resolves once it is stored. The access log has it first. */
export const reviewViolation = async (
  context: ApiContext,
  caller: Caller,
  violation: ViolationRow,
  ask: ReviewAsk,
): Promise<void> => {
  const { tenant_id, violation_id } = violation;
  await logAccess(context, caller, {
    action: `violation_${ask.review}`,
    tenant: tenant_id,
    subject: `violation:${violation_id}`,
    detail: `as ${ask.actor}${ask.comment === '' ? '' : `: ${ask.comment}`}`,
  });
  const row = {
    tenant_id,
    violation_id,
    review: ask.review,
    actor: ask.actor,
    comment: ask.comment,
    until: ask.untilMs === null ? null : utcMillis(ask.untilMs),
    at: utcMillis(context.clock.nowMs()),
  };
  const token = hash128(
    ask.key === null
      ? ['review', context.random.uuid()]
      : ['review-key', tenant_id, violation_id, ask.review, ask.actor, ask.key],
  );
  await context.store.insert('violation_reviews', [row], { token });
};
