import type { Cursor } from '../cursor.ts';
import { type IncidentPlace, inPlace } from './incidents.ts';
import {
  type Condition,
  given,
  type Query,
  READ_SETTINGS,
  type TimeRange,
  tenantIs,
  timeWithin,
  whereOf,
} from './query.ts';

/** What people can say of a violation; the newest word counts. */
export const REVIEWS = ['confirm', 'dismiss', 'except'] as const;
export type Review = (typeof REVIEWS)[number];
/** What a list may be filtered by: a word, or that nobody said one. */
export const REVIEW_STATES = ['none', ...REVIEWS] as const;
export type ReviewState = (typeof REVIEW_STATES)[number];

/** A violation with the newest word about it. The evidence is left out of lists: it can be long. */
export interface ViolationRow {
  readonly tenant_id: string;
  readonly violation_id: string;
  readonly ts: string;
  readonly ts_micros: string;
  readonly detected_at: string;
  readonly rule_id: string;
  readonly rule_version: string;
  readonly ruleset_hash: string;
  readonly severity: string;
  readonly mode: string;
  readonly title: string;
  readonly run_id: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly step_id: string;
  readonly source_span_id: string | null;
  readonly service: string;
  readonly agent_name: string | null;
  readonly workflow: string | null;
  readonly user_id: string | null;
  readonly evidence_level: string;
  readonly detected_by: string;
  readonly review: string | null;
  readonly reviewed_by: string | null;
  readonly reviewed_at: string | null;
  readonly excepted_until: string | null;
}

export interface ViolationDetailRow extends ViolationRow {
  /** JSON object as the policy service wrote it. */
  readonly evidence: string;
}

const COLUMNS = `v.tenant_id AS tenant_id, v.violation_id AS violation_id, v.ts AS ts,
  toString(toUnixTimestamp64Micro(v.ts)) AS ts_micros, v.detected_at AS detected_at, v.rule_id AS rule_id,
  v.rule_version AS rule_version, v.ruleset_hash AS ruleset_hash, v.severity AS severity, v.mode AS mode,
  v.title AS title, v.run_id AS run_id, v.trace_id AS trace_id, v.span_id AS span_id, v.step_id AS step_id,
  v.source_span_id AS source_span_id, v.service AS service, v.agent_name AS agent_name, v.workflow AS workflow,
  v.user_id AS user_id, v.evidence_level AS evidence_level, v.detected_by AS detected_by,
  if(empty(r.said.1), NULL, r.said.1) AS review, if(empty(r.said.1), NULL, r.said.2) AS reviewed_by,
  if(empty(r.said.1), NULL, r.said_at) AS reviewed_at, r.said.3 AS excepted_until`;

/**
 * Newest word of each reviewed violation. The tuple keeps the parts of one word together (argMax would skip a NULL),
 * and orders two words of the same millisecond always alike.
 */
const newestReviews = (tenant: string | null): Condition => {
  const where = whereOf([tenantIs(tenant)]);
  return {
    sql: `SELECT tenant_id, violation_id, argMax((review, actor, until), (at, review)) AS said, max(at) AS said_at
  FROM violation_reviews ${where.sql}
  GROUP BY tenant_id, violation_id`,
    params: where.params,
  };
};

export interface ViolationsInput {
  readonly tenant: string | null;
  readonly range: TimeRange;
  readonly rule?: string | undefined;
  readonly severity?: string | undefined;
  readonly mode?: string | undefined;
  readonly agent?: string | undefined;
  readonly run?: string | undefined;
  readonly review?: ReviewState | undefined;
  readonly cursor?: Cursor | undefined;
  readonly limit: number;
}

const reviewIs = (review: ReviewState | undefined): Condition | undefined =>
  review === undefined
    ? undefined
    : { sql: 'r.said.1 = {review:String}', params: { review: review === 'none' ? '' : review } };

/** Unique over tenants: neither part holds a slash. */
const KEY = "concat(violation_id, '/', tenant_id)";
/** Where a page that ends with this row ends. */
export const violationCursor = (row: ViolationRow): Cursor => ({
  ts_micros: row.ts_micros,
  id: `${row.violation_id}/${row.tenant_id}`,
});

const after = (cursor: Cursor | undefined): Condition | undefined =>
  cursor === undefined
    ? undefined
    : {
        sql: `(toUnixTimestamp64Micro(ts), ${KEY}) < ({cursor_ts:Int64}, {cursor_id:String})`,
        params: { cursor_ts: cursor.ts_micros, cursor_id: cursor.id },
      };

type ViolationFilters = Omit<ViolationsInput, 'cursor' | 'limit' | 'review'>;

const violationsWhere = (input: ViolationFilters, cursor?: Cursor): Condition =>
  whereOf([
    tenantIs(input.tenant),
    timeWithin('ts', input.range),
    given(input.rule, 'rule', 'rule_id = {rule:String}'),
    given(input.severity, 'severity', 'severity = {severity:String}'),
    given(input.mode, 'mode', 'mode = {mode:String}'),
    given(input.agent, 'agent', 'agent_name = {agent:String}'),
    given(input.run, 'run', 'run_id = {run:String}'),
    after(cursor),
  ]);

/** Each violation once: a violation found again (backfill, a replay under the same rules) has the same id. */
const once = (where: Condition): string =>
  `SELECT * FROM policy_violations ${where.sql} ORDER BY detected_at LIMIT 1 BY tenant_id, violation_id`;

const joined = (columns: string, where: Condition, tenant: string | null, review: Condition): Condition => {
  const reviews = newestReviews(tenant);
  return {
    sql: `SELECT ${columns}
FROM (${once(where)}) AS v
LEFT JOIN (${reviews.sql}) AS r ON r.tenant_id = v.tenant_id AND r.violation_id = v.violation_id
${review.sql}`,
    params: { ...where.params, ...reviews.params, ...review.params },
  };
};

/** A page of violations, newest first; one row more than `limit` tells that there is another page. */
export const violationsQuery = (input: ViolationsInput): Query => {
  const body = joined(COLUMNS, violationsWhere(input, input.cursor), input.tenant, whereOf([reviewIs(input.review)]));
  return {
    sql: `${body.sql}
ORDER BY ts DESC, ${KEY} DESC
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
    params: { ...body.params, limit: input.limit + 1 },
  };
};

export interface ViolationCountRow {
  readonly rule_id: string;
  readonly severity: string;
  readonly violations: number;
  readonly unreviewed: number;
  readonly runs: number;
  readonly last_ts: string;
}

/** Rules a summary names; the list itself has all. */
const RULES_SHOWN_MAX = 200;

/** How many violations the same filters find, by rule and severity. */
export const violationCountsQuery = (
  input: ViolationFilters & { readonly review?: ReviewState | undefined },
): Query => {
  const body = joined(
    `v.rule_id AS rule_id, v.severity AS severity, count() AS violations, countIf(empty(r.said.1)) AS unreviewed,
  uniqExact(v.tenant_id, v.run_id) AS runs, max(v.ts) AS last_ts`,
    violationsWhere(input),
    input.tenant,
    whereOf([reviewIs(input.review)]),
  );
  return {
    sql: `${body.sql}
GROUP BY rule_id, severity
ORDER BY violations DESC, rule_id
LIMIT ${RULES_SHOWN_MAX}
${READ_SETTINGS}`,
    params: body.params,
  };
};

/** The violations with this id, whole: one row for each tenant that has it. */
export const violationQuery = (input: { readonly tenant: string | null; readonly violationId: string }): Query => {
  const where = whereOf([
    { sql: 'violation_id = {violation_id:String}', params: { violation_id: input.violationId } },
    tenantIs(input.tenant),
  ]);
  const body = joined(`${COLUMNS}, v.evidence AS evidence`, where, input.tenant, whereOf([]));
  return { sql: `${body.sql}\nORDER BY tenant_id\nLIMIT 10\n${READ_SETTINGS}`, params: body.params };
};

/** Violations a run page marks; beyond this the list of violations has them. */
const RUN_VIOLATIONS_MAX = 500;

/** The violations of a run in order of time, whole. */
export const runViolationsQuery = (input: { readonly tenant: string; readonly runId: string }): Query => {
  const where = whereOf([{ sql: 'run_id = {run_id:String}', params: { run_id: input.runId } }, tenantIs(input.tenant)]);
  const body = joined(`${COLUMNS}, v.evidence AS evidence`, where, input.tenant, whereOf([]));
  return {
    sql: `${body.sql}\nORDER BY ts, violation_id\nLIMIT ${RUN_VIOLATIONS_MAX}\n${READ_SETTINGS}`,
    params: body.params,
  };
};

export interface ReviewRow {
  readonly review: string;
  readonly actor: string;
  readonly comment: string;
  readonly until: string | null;
  readonly at: string;
}

/** Words about one violation that are shown; people do not argue longer. */
const REVIEWS_MAX = 200;

/** What was said of a violation, newest first. */
export const reviewsQuery = (input: { readonly tenant: string; readonly violationId: string }): Query => ({
  sql: `SELECT review, actor, comment, until, at
FROM violation_reviews
WHERE tenant_id = {tenant:String}
  AND violation_id = {violation_id:String}
ORDER BY at DESC, review
LIMIT ${REVIEWS_MAX}
${READ_SETTINGS}`,
  params: { tenant: input.tenant, violation_id: input.violationId },
});

/** Violations of an incident that are shown; its count stands in its row. */
export const INCIDENT_VIOLATIONS_MAX = 50;

const ofIncident = (place: IncidentPlace): Condition =>
  whereOf([inPlace(place, 'rule_id'), { sql: "mode != 'monitor'", params: {} }]);

/** The violations behind an incident, newest first. */
export const incidentViolationsQuery = (place: IncidentPlace): Query => {
  const body = joined(COLUMNS, ofIncident(place), place.tenant, whereOf([]));
  return {
    sql: `${body.sql}\nORDER BY ts DESC, violation_id DESC\nLIMIT ${INCIDENT_VIOLATIONS_MAX}\n${READ_SETTINGS}`,
    params: body.params,
  };
};

export interface AffectedRunRow {
  readonly run_id: string;
  readonly violations: number;
  readonly last_ts: string;
}

/** Runs an incident names; a storm has more than a page can use, and the list of violations has all. */
export const AFFECTED_RUNS_MAX = 100;

/** Runs in which the violations behind an incident happened, the latest first. */
export const affectedRunsQuery = (place: IncidentPlace): Query => {
  const where = ofIncident(place);
  return {
    sql: `SELECT v.run_id AS run_id, uniqExact(v.violation_id) AS violations, max(v.ts) AS last_ts
FROM policy_violations AS v
${where.sql}
GROUP BY run_id
ORDER BY last_ts DESC, run_id
LIMIT ${AFFECTED_RUNS_MAX}
${READ_SETTINGS}`,
    params: where.params,
  };
};
