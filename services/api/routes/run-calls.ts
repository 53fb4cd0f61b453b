import { z } from 'zod';
import { BONDS, PRECEDENCES, SET_ASIDE, type Testimony } from '../../../schemas/call-explanation.ts';
import { EVIDENCE_STATES, type ExplainedCall, readExplainedRun } from '../call-explanations.ts';
import { bookingWords, evidenceWords, SET_ASIDE_WORDS, uncertainty } from '../call-words.ts';
import { problem } from '../problem.ts';
import type { BookingRow } from '../queries/bookings.ts';
import { findRun } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { limitInput, runIdParams, tenantInput } from './inputs.ts';
import { defineRoute, noBody, type Route } from './route.ts';
import { bookingShape, tokenShape } from './shapes.ts';

const testimonyShape = z.object({
  step_id: z.string(),
  signal: z.string(),
  family: z.string(),
  scope_name: z.string(),
  name: z.string(),
  trace_id: z.string(),
  span_id: z.string(),
  model: z.string().nullable(),
  response_id: z.string().nullable(),
  outcome: z.string(),
  estimated: z.boolean(),
  untold: z.array(z.string()),
  reported_cost_usd: z.string().nullable(),
  ...tokenShape,
});

const billShape = z.object({
  bucket: z.string(),
  quantity: z.number(),
  basis: z.enum(['measured', 'modelled']),
  rate_key: z.string(),
  rate_usd: z.string(),
  per: z.number(),
  cost_usd: z.string(),
});

const callShape = z.object({
  call_id: z.string(),
  bookings: z.array(bookingShape).describe('What stands in the books; empty: taken back.'),
  is_upper_bound: z.boolean().describe('A detail nobody told sits in a dearer bucket: the cost is at most this.'),
  uncertainty: z.string().describe("What is not known of the cost, in words; '' when nothing is."),
  evidence: z
    .array(
      testimonyShape.extend({
        is_believed: z.boolean(),
        bond: z.enum(BONDS),
        bound_to: z.string().nullable(),
        precedence: z.enum(PRECEDENCES),
        because: z.string(),
      }),
    )
    .nullable()
    .describe('Every step that tells of the call, best first; null: not held any more (see `evidence` of the answer).'),
  bucket_from: z.record(z.string(), z.string()).nullable().describe('Bucket → step whose figure stands.'),
  bill: z
    .array(billShape)
    .nullable()
    .describe('Lines of the cost; null: no cost, or its price is not in the book any more.'),
  unknown_parts: z
    .array(z.string())
    .nullable()
    .describe("Parts of a local model's cost that are neither measured nor modelled: not in the bill."),
  is_price_inferred: z.boolean().nullable(),
  history: z.array(bookingShape.extend({ because: z.string() })),
});

const listRunCalls = defineRoute({
  method: 'GET',
  path: '/runs/:run_id/calls',
  summary: 'The model calls of a run, each figure explained: who told it, who was believed and why, line by line.',
  needs: 'read',
  params: runIdParams,
  query: z.strictObject({
    tenant: tenantInput,
    after: z.string().max(64).optional().describe('`next_after` of the page before.'),
    limit: limitInput(200, 2000),
  }),
  body: noBody,
  answer: z.object({
    tenant_id: z.string(),
    run_id: z.string(),
    evidence: z.enum(EVIDENCE_STATES),
    calls: z.array(callShape),
    set_aside: z
      .array(testimonyShape.extend({ because: z.enum(SET_ASIDE), words: z.string() }))
      .describe('Steps with figures that are no booking, each with the reason.'),
    summarised_steps: z.number(),
    next_after: z.string().nullable(),
  }),
  run: async ({ caller, params, query }, context) => {
    const { tenant } = await findRun(context, tenantScope(caller, query.tenant), params.run_id);
    const run = await readExplainedRun(context, tenant, params.run_id);
    const first = query.after === undefined ? 0 : run.calls.findIndex((call) => call.call_id === query.after) + 1;
    if (query.after !== undefined && first === 0)
      throw problem(400, 'after: no call of this run; take `next_after` as it is', { parameter: 'after' });
    const page = run.calls.slice(first, first + query.limit);
    return {
      tenant_id: tenant,
      run_id: params.run_id,
      evidence: run.evidence,
      calls: page.map(callJson),
      set_aside:
        first > 0
          ? []
          : run.set_aside
              .slice(0, SET_ASIDE_MAX)
              .map(({ because, ...step }) => ({ ...testimonyJson(step), because, words: SET_ASIDE_WORDS[because] })),
      summarised_steps: run.summarised_steps,
      next_after: first + page.length < run.calls.length ? (page.at(-1)?.call_id ?? null) : null,
    };
  },
});

/** Wrappers listed with the first page: enough to see the pattern, and a bound on the answer. */
const SET_ASIDE_MAX = 2000;

const testimonyJson = <T extends Testimony>(step: T) => ({ ...step, untold: [...step.untold] });

const bookingJson = (entry: BookingRow) => ({ ...entry, untold: [...entry.untold] });

const callJson = ({ call_id, bookings, entries, explanation }: ExplainedCall) => ({
  call_id,
  bookings: bookings.map(bookingJson),
  is_upper_bound: bookings.some((entry) => entry.cost_usd !== null && entry.untold.length > 0),
  uncertainty: bookings.map(uncertainty).join(' ').trim(),
  evidence:
    explanation?.evidence.map((step) => ({
      ...testimonyJson(step),
      because: evidenceWords(step),
    })) ?? null,
  bucket_from: explanation === null ? null : { ...explanation.bucket_from },
  bill: explanation?.bill?.map((line) => ({ ...line })) ?? null,
  unknown_parts: explanation?.unknown_parts == null ? null : [...explanation.unknown_parts],
  is_price_inferred: explanation?.is_price_inferred ?? null,
  history: entries.map((entry) => ({ ...bookingJson(entry), because: bookingWords(entry) })),
});

export const runCallRoutes: readonly Route[] = [listRunCalls];
