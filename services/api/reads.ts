import type { Caller } from '../runtime/access.ts';
import { assert } from '../runtime/errors.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { ApiContext } from './deps.ts';
import { problem } from './problem.ts';
import { type BookingRow, bookingsQuery, standing } from './queries/bookings.ts';
import { CONTENT_PARTS_MAX, type ContentRow, contentQuery } from './queries/content.ts';
import type { Figures } from './queries/figures.ts';
import type { Query } from './queries/query.ts';
import { type RunRow, runQuery } from './queries/runs.ts';
import { runTenantsQuery } from './queries/steps.ts';
import { onlyTenant } from './tenant-scope.ts';

/** Runs one query of ours. The row type is what its file declares: the store cannot say it. */
export const read = <T>(context: ApiContext, query: Query): Promise<readonly T[]> =>
  context.store.query<T>(query.sql, query.params);

/** A run as far as it is known: `run` is null while its steps are stored but no fold has seen them yet. */
export interface FoundRun {
  readonly tenant: string;
  readonly run: RunRow | null;
}

/** The run of this id among what the caller may see. Throws 404, or 409 with the tenants when several have it. */
export const findRun = async (context: ApiContext, scope: string | null, runId: string): Promise<FoundRun> => {
  const runs = await read<RunRow>(context, runQuery({ tenant: scope, runId }));
  if (runs.length > 0) {
    const run = onlyTenant(runs, `run ${runId}`);
    return { tenant: run.tenant_id, run };
  }
  const tenants = await read<{ tenant_id: string }>(context, runTenantsQuery({ tenant: scope, runId }));
  return { tenant: onlyTenant(tenants, `run ${runId}`).tenant_id, run: null };
};

/** A booking without the sign-turned history behind it. */
export interface RunBookings {
  readonly entries: readonly BookingRow[];
  readonly standing: readonly BookingRow[];
}

/** Every booking of a run, and those that stand by the span they are about. */
export const readBookings = async (context: ApiContext, tenant: string, runId: string): Promise<RunBookings> => {
  const entries = await read<BookingRow>(context, bookingsQuery({ tenant, runId }));
  return { entries, standing: standing(entries) };
};

/** What bookingsOfSteps needs of a step. */
export interface BookableStep {
  readonly step_id: string;
  readonly span_id: string;
  readonly signal: string;
  /** ISO 8601 with at least microseconds. */
  readonly ts: string;
}

/**
 * Which standing bookings belong to which step, by step id. A booking names its span; where a call was told by a log
 * record only, the record of the same span id and microsecond is meant.
 */
export const bookingsOfSteps = (
  steps: readonly BookableStep[],
  bookings: readonly BookingRow[],
): ReadonlyMap<string, readonly BookingRow[]> => {
  const spans = new Map(steps.filter((step) => step.signal === 'span').map((step) => [step.span_id, step.step_id]));
  const momentKey = (spanId: string, ts: string): string => `${spanId}|${ts.slice(0, 26).replace('Z', '')}`;
  const records = new Map(
    steps.filter((step) => step.signal !== 'span').map((step) => [momentKey(step.span_id, step.ts), step.step_id]),
  );
  return Map.groupBy(
    bookings,
    (booking) => spans.get(booking.span_id) ?? records.get(momentKey(booking.span_id, booking.ts)) ?? '',
  );
};

export interface ContentAsk {
  readonly tenant: string;
  readonly runId: string;
  readonly stepIds: readonly string[];
  readonly charsMax: number;
}

/**
 * Content of steps. Throws 403 without the grant `content`. The reading is in `access_log` before the content is
 * given: if it cannot be logged, it is not given.
 */
export const readContent = async (
  context: ApiContext,
  caller: Caller,
  ask: ContentAsk,
): Promise<readonly ContentRow[]> => {
  if (!caller.grants.has('content')) throw problem(403, 'content of prompts and answers needs the grant content');
  await logAccess(context, caller, {
    action: 'read_content',
    tenant: ask.tenant,
    subject: `run:${ask.runId}`,
    detail: ask.stepIds.length === 0 ? 'every step' : `steps: ${ask.stepIds.join(' ')}`.slice(0, 8192),
  });
  return read<ContentRow>(context, contentQuery({ ...ask, limit: CONTENT_PARTS_MAX }));
};

/** Writes one line of `access_log`; resolves once it is stored. */
export const logAccess = (
  context: ApiContext,
  caller: Caller,
  entry: { readonly action: string; readonly tenant: string; readonly subject: string; readonly detail: string },
): Promise<void> =>
  context.store.insert(
    'access_log',
    [
      {
        at: utcMillis(context.clock.nowMs()),
        actor: caller.actor,
        action: entry.action,
        tenant_id: entry.tenant,
        subject: entry.subject,
        detail: entry.detail,
      },
    ],
    { token: context.random.uuid() },
  );

/** The one row of a total: an aggregate without groups always has one. */
export const onlyTotal = (rows: readonly Figures[]): Figures => {
  const [total] = rows;
  assert(total !== undefined, 'an aggregate without groups answers one row');
  return total;
};
