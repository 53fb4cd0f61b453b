import { z } from 'zod';
import { RULE_MODES, SEVERITIES } from '../../../schemas/policy-violation.ts';
import { assert } from '../../runtime/errors.ts';
import { actorOf } from '../actor.ts';
import { type ReadableViolation, readEvidence } from '../evidence-access.ts';
import { type IncidentRow, placeOf, violationIncidentsQuery } from '../queries/incidents.ts';
import { type RuleFileRow, ruleFilesQuery } from '../queries/policies.ts';
import {
  REVIEW_STATES,
  type Review,
  type ReviewRow,
  reviewsQuery,
  type ViolationRow,
  violationCursor,
  violationsQuery,
} from '../queries/violations.ts';
import { read } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { findViolation, REVIEW_EFFECTS, reviewViolation } from '../violation-reviews.ts';
import { incidentJson } from './incidents.ts';
import { cursorInput, cursorOf, limitInput, momentInput, pageOf, rangeOf, tenantInput, text } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { rangeShape } from './shapes.ts';
import {
  type ActionBody,
  actorInput,
  commentInput,
  endOf,
  idempotencyKeyOf,
  incidentShape,
  objectOf,
  reviewShape,
  untilInput,
  violationShape,
} from './watch-shapes.ts';

/** A violation as JSON: the row without what only cursors need. */
const violationJson = ({ ts_micros: _micros, ...violation }: ViolationRow) => violation;
const detailJson = ({ ts_micros: _micros, evidence, ...violation }: ReadableViolation) => ({
  ...violation,
  evidence: objectOf(evidence),
});

const listViolations = defineRoute({
  method: 'GET',
  path: '/violations',
  summary: 'Violations, newest first, each with the newest word about it. Evidence stands in the single one.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    tenant: tenantInput,
    from: momentInput('Default: 24 hours before `to`.'),
    to: momentInput('Default: now.'),
    rule: text.optional().describe('Rule id.'),
    severity: z.enum(SEVERITIES).optional(),
    mode: z.enum(RULE_MODES).optional(),
    agent: text.optional(),
    run: text.optional().describe('Run id.'),
    review: z.enum(REVIEW_STATES).optional().describe('The newest word about it; none: nobody said one.'),
    cursor: cursorInput,
    limit: limitInput(50, 500),
  }),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    violations: z.array(violationShape),
    next_cursor: z.string().nullable(),
  }),
  run: async ({ caller, query }, context) => {
    const { tenant, from, to, cursor, limit, ...filters } = query;
    const range = rangeOf({ from, to }, context.clock.nowMs());
    const found = await read<ViolationRow>(
      context,
      violationsQuery({ ...filters, tenant: tenantScope(caller, tenant), range, cursor: cursorOf(cursor), limit }),
    );
    const page = pageOf(found, limit, violationCursor);
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      violations: page.rows.map(violationJson),
      next_cursor: page.nextCursor,
    };
  },
});

const idParams = z.strictObject({ violation_id: text });
const oneTenant = z.strictObject({ tenant: tenantInput });

const getViolation = defineRoute({
  method: 'GET',
  path: '/violations/:violation_id',
  summary:
    'One violation: its evidence, the rule as it was written then, what people said, its incidents. What agents said or were told stands in the evidence only with the grant content, and reading it is logged.',
  needs: 'read',
  params: idParams,
  query: oneTenant,
  body: noBody,
  answer: violationShape.extend({
    evidence: z
      .record(z.string(), z.unknown())
      .describe('The path and the inputs judged, redacted. A text not to be read is {withheld: "content", chars}.'),
    evidence_withheld: z.int().describe('Texts of the evidence that need the grant content; 0: it is whole.'),
    rule_files: z
      .array(z.object({ file: z.string(), text: z.string(), state: z.string(), loaded_at: z.string() }))
      .describe('Files of the rule set that judged, as far as they name the rule.'),
    reviews: z.array(reviewShape),
    incidents: z.array(incidentShape),
  }),
  run: async ({ caller, params, query }, context) => {
    const violation = await findViolation(context, tenantScope(caller, query.tenant), params.violation_id);
    const [readable] = await readEvidence(context, caller, [violation]);
    assert(readable !== undefined, 'one violation in, one out');
    const id = { tenant: violation.tenant_id, violationId: violation.violation_id };
    // A rule in mode monitor opens no incident; one of the same place is another version's.
    const isMonitor = violation.mode === 'monitor';
    const [files, reviews, incidents] = await Promise.all([
      read<RuleFileRow>(context, ruleFilesQuery({ rulesetHash: violation.ruleset_hash, ruleId: violation.rule_id })),
      read<ReviewRow>(context, reviewsQuery(id)),
      isMonitor ? [] : read<IncidentRow>(context, violationIncidentsQuery(placeOf(violation, violation.rule_id))),
    ]);
    return {
      ...detailJson(readable),
      rule_files: [...files],
      reviews: [...reviews],
      incidents: incidents.map(incidentJson),
    };
  },
});

/** An exception is a promise to look again: it ends within the retention of the ledger. */
const EXCEPTION_DAYS_MAX = 400;

const reviewBody = z.strictObject({ comment: commentInput.optional(), actor: actorInput });
const exceptBody = z.strictObject({
  reason: commentInput.describe('Why this is in order; kept as the comment.'),
  until: untilInput,
  minutes: z.int().min(1).optional(),
  actor: actorInput,
});
const reviewAnswer = violationShape.extend({
  reviews: z.array(reviewShape),
  effect: z.string().describe('What the word does, and what it does not do yet.'),
});

const WORDS: Readonly<Record<Review, string>> = {
  confirm: 'Says that a violation is one.',
  dismiss: 'Says that a violation is none, or does not matter.',
  except: 'Says that a violation is in order until a moment, with the reason. Needs until or minutes.',
};

const postReview = (review: Review, body: ActionBody): Route =>
  defineRoute({
    method: 'POST',
    path: `/violations/:violation_id/${review}`,
    summary: `${WORDS[review]} Takes an Idempotency-Key.`,
    needs: 'operate',
    params: idParams,
    query: oneTenant,
    body,
    answer: reviewAnswer,
    run: async ({ caller, headers, params, query, body: asked }, context) => {
      const scope = tenantScope(caller, query.tenant);
      const violation = await findViolation(context, scope, params.violation_id);
      await reviewViolation(context, caller, violation, {
        review,
        actor: actorOf(caller, headers, asked.actor),
        comment: asked.reason ?? asked.comment ?? '',
        untilMs: review === 'except' ? endOf(asked, context.clock.nowMs(), EXCEPTION_DAYS_MAX) : null,
        key: idempotencyKeyOf(headers),
      });
      const [after, reviews] = await Promise.all([
        findViolation(context, violation.tenant_id, violation.violation_id),
        read<ReviewRow>(context, reviewsQuery({ tenant: violation.tenant_id, violationId: violation.violation_id })),
      ]);
      const { evidence: _evidence, ts_micros: _micros, ...shown } = after;
      return { ...shown, reviews: [...reviews], effect: REVIEW_EFFECTS[review] };
    },
  });

export const violationRoutes: readonly Route[] = [
  listViolations,
  getViolation,
  postReview('confirm', reviewBody),
  postReview('dismiss', reviewBody),
  postReview('except', exceptBody),
];
