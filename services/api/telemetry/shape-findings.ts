import type { Finding } from './finding.ts';
import { counted, inScope, NO_CALLS, NO_STEPS, names, scoped } from './scope-sql.ts';

const LEAVES = `s.call_role = 'leaf' AND s.signal = 'span'`;

/** One call told by spans of two instrumentations. */
export const twins: Finding = {
  id: 'twins',
  severity: 'wrong',
  title: 'Calls told by two instrumentations',
  effect: 'Each is counted once here; anything that adds spans up counts it twice.',
  fix: "Keep one: switch the instrumentation of the SDK or the one of the framework off. Anthropic's own SDK traces whenever a global tracer provider exists: give it none, or drop its scope in the collector.",
  query: (scope) =>
    scoped(
      scope,
      `WITH leaves AS (
  SELECT s.tenant_id AS tenant_id, s.run_id AS run_id, s.step_id AS step_id, toString(s.service) AS service, toString(s.family) AS family,
    toString(s.scope_name) AS scope, s.response_id AS response_id, s.reported_output_tokens AS output, s.ts AS began,
    addNanoseconds(s.ts, s.duration_ns) AS ended
  FROM spans AS s
  WHERE ${inScope(scope, 's')} AND ${LEAVES}
)
SELECT tenant_id, service, family, ${counted('uniqExact(run_id, call)', 'calls')}, ${NO_STEPS},
  toNullable(min(run_id)) AS example_run_id, ${names('scopes')} AS detail
FROM (
  SELECT tenant_id, min(service) AS service, arrayStringConcat(arraySort(groupUniqArray(family)), ' + ') AS family, run_id,
    ifNull(response_id, '') AS call, arrayStringConcat(arraySort(groupUniqArray(scope)), ' + ') AS scopes
  FROM leaves
  WHERE response_id IS NOT NULL
  GROUP BY tenant_id, run_id, response_id
  HAVING uniqExact(scope) > 1
  UNION ALL
  SELECT a.tenant_id AS tenant_id, a.service AS service, arrayStringConcat(arraySort(arrayDistinct([a.family, b.family])), ' + ') AS family,
    a.run_id AS run_id, a.step_id AS call, arrayStringConcat(arraySort([a.scope, b.scope]), ' + ') AS scopes
  FROM leaves AS a INNER JOIN leaves AS b ON a.tenant_id = b.tenant_id AND a.run_id = b.run_id AND a.output = b.output
  WHERE a.output > 0 AND a.scope < b.scope AND (a.response_id IS NULL OR b.response_id IS NULL)
    AND a.began <= b.ended AND b.began <= a.ended
)
GROUP BY tenant_id, service, family`,
    ),
};

/** The same record from two positions of the log: two exporters, two processors, or two routes of a collector. */
export const copies: Finding = {
  id: 'copies',
  severity: 'wrong',
  title: 'Records sent twice',
  effect: 'Each is counted once here; the second copy costs network and log.',
  fix: 'Two exporters or span processors are registered, or a collector sends to two receivers of this installation: remove one.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT d.tenant_id AS tenant_id, toString(s.service) AS service, toString(s.family) AS family, ${NO_CALLS},
  ${counted('count()', 'steps')}, toNullable(min(d.run_id)) AS example_run_id, '' AS detail
FROM span_duplicates AS d
INNER JOIN (
  SELECT s.tenant_id AS tenant_id, s.step_id AS step_id, any(s.service) AS service, any(s.family) AS family
  FROM spans AS s
  WHERE (s.tenant_id, s.step_id) IN (SELECT d.tenant_id, d.step_id FROM span_duplicates AS d WHERE ${inScope(scope, 'd')})
  GROUP BY s.tenant_id, s.step_id
) AS s ON s.tenant_id = d.tenant_id AND s.step_id = d.step_id
WHERE ${inScope(scope, 'd')}
GROUP BY tenant_id, service, family`,
    ),
};

/** Parents come after their children, mostly within the seconds of an export interval. */
const SETTLE_MS = 60_000;
/** A parent may have been stored long before its last child: how far back it is looked for. */
const PARENT_MS = 86_400_000;

/** Spans that name a parent nobody sent. */
export const orphans: Finding = {
  id: 'orphans',
  severity: 'wrong',
  title: 'Parents that never arrived',
  effect: 'Runs fall apart: what the parent knew (agent, user, session) does not reach its calls.',
  fix: 'Flush the tracer provider before the process ends (forceFlush, shutdown); export from every process the trace passes through; do not sample spans out of the middle of a trace.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT tenant_id, service, family, ${counted('sum(ifNull(booked, 0))', 'calls')}, ${counted('sum(lost)', 'steps')},
  toNullable(min(run_id)) AS example_run_id, ${names('name')} AS detail
FROM (
  SELECT s.tenant_id AS tenant_id, toString(s.service) AS service, toString(s.family) AS family, s.run_id AS run_id,
    min(s.name) AS name, toInt64(count()) AS lost
  FROM spans AS s
  WHERE ${inScope(scope, 's')} AND s.signal = 'span' AND s.parent_span_id != ''
    AND s.logged_at < fromUnixTimestamp64Milli({settled_ms:Int64}, 'UTC')
    AND cityHash64(s.tenant_id, s.trace_id, s.parent_span_id) NOT IN (
      SELECT cityHash64(p.tenant_id, p.trace_id, p.span_id)
      FROM spans AS p
      WHERE p.signal = 'span' AND p.logged_at >= fromUnixTimestamp64Milli({parents_from_ms:Int64}, 'UTC')${scope.tenant === null ? '' : ' AND p.tenant_id = {tenant:String}'}
    )
  GROUP BY tenant_id, service, family, run_id
) AS orphaned
LEFT JOIN (
  SELECT e.tenant_id AS tenant_id, e.run_id AS run_id, sum(e.calls) AS booked
  FROM ledger_entries AS e
  WHERE ${inScope(scope, 'e')}
  GROUP BY tenant_id, run_id
) AS calls_of_run ON calls_of_run.tenant_id = orphaned.tenant_id AND calls_of_run.run_id = orphaned.run_id
GROUP BY tenant_id, service, family`,
      { settled_ms: scope.toMs - SETTLE_MS, parents_from_ms: scope.fromMs - PARENT_MS },
    ),
};

/** Further ahead than this is no matter of network time. */
const AHEAD_SECONDS_MAX = 5;
/** Clocks under NTP agree far better than this. */
const BEFORE_MS_MAX = 1000;

/** Times that cannot be: ahead of the log that took them, clamped, or a child before its parent. */
export const clockSkew: Finding = {
  id: 'clock_skew',
  severity: 'wrong',
  title: 'Clock skew',
  effect: 'Calls are booked at the wrong hour, budgets of a period are off, twins are not recognised by their time.',
  fix: 'Let NTP set the clock of the machine the service runs on; send times in nanoseconds since 1970, UTC.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT tenant_id, service, family, ${counted("countIf(role = 'leaf')", 'calls')}, ${counted('count()', 'steps')},
  toNullable(min(run_id)) AS example_run_id, ${names('why')} AS detail
FROM (
  SELECT s.tenant_id AS tenant_id, toString(s.service) AS service, toString(s.family) AS family, s.run_id AS run_id,
    ifNull(toString(s.call_role), '') AS role,
    multiIf(has(s.flags, 'ts_clamped'), 'outside 1971 to 2261',
      addNanoseconds(s.ts, s.duration_ns) > addSeconds(s.logged_at, ${AHEAD_SECONDS_MAX}), 'ahead of the log',
      'before its parent') AS why
  FROM spans AS s
  LEFT JOIN (
    SELECT p.tenant_id AS tenant_id, p.run_id AS run_id, p.span_id AS span_id, min(p.ts) AS began, 1 AS is_there
    FROM spans AS p
    WHERE ${inScope(scope, 'p')} AND p.signal = 'span'
    GROUP BY tenant_id, run_id, span_id
  ) AS parent ON parent.tenant_id = s.tenant_id AND parent.run_id = s.run_id AND parent.span_id = s.parent_span_id
  WHERE ${inScope(scope, 's')} AND s.signal = 'span'
    AND (has(s.flags, 'ts_clamped')
      OR addNanoseconds(s.ts, s.duration_ns) > addSeconds(s.logged_at, ${AHEAD_SECONDS_MAX})
      OR (parent.is_there = 1 AND s.ts < subtractMilliseconds(parent.began, ${BEFORE_MS_MAX})))
)
GROUP BY tenant_id, service, family`,
    ),
};

/** Records that could not be read. */
export const deadLetters: Finding = {
  id: 'dead_letters',
  severity: 'wrong',
  title: 'Records refused',
  effect: 'What they hold is missing everywhere. Their bytes are kept in the dead-letter topic of their source.',
  fix: 'tacho dlq show says what is wrong with them; mend the sender, then tacho dlq replay.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT d.tenant_id AS tenant_id, '' AS service, '' AS family, ${NO_CALLS}, ${counted('count()', 'steps')},
  CAST(NULL, 'Nullable(String)') AS example_run_id, concat(toString(d.reason), ', newest: ', left(argMax(d.detail, d.logged_at), 200)) AS detail
FROM dead_letters AS d
WHERE ${inScope(scope, 'd')}
GROUP BY d.tenant_id, d.reason`,
    ),
};
