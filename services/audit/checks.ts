/**
 * What `tacho audit` proves from stored data, each check one query that gives the places where it does not hold.
 * Written so that a running system passes: the manifest is read up to a watermark, and rows younger than that are
 * left to the next audit.
 */
export interface Check {
  readonly name: string;
  /** One sentence: what holds when there are no findings. */
  readonly claim: string;
  /** SQL giving one row a finding: `place` and `detail`. `{until:DateTime64(3)}` bounds the manifest. */
  readonly sql: string;
}

/** Tables a batch writes, and the service that owns them. */
const BATCH_TABLES: readonly (readonly [table: string, service: string])[] = [
  ['spans', 'normalizer'],
  ['span_content', 'normalizer'],
  ['dead_letters', 'normalizer'],
  ['ledger_entries', 'ledger'],
  ['span_duplicates', 'ledger'],
  ['run_state', 'ledger'],
];

const PLACE = `concat(service, ' ', topic, '/', toString(partition), ' log ', substring(log_id, 1, 8))`;

const chain: Check = {
  name: 'chain',
  claim: 'each batch begins where the one before it ended: no record was skipped or taken twice',
  sql: `SELECT ${PLACE} AS place, concat('batch [', toString(first), ', ', toString(end), ') follows end ', toString(previous_end)) AS detail
        FROM (
          SELECT service, topic, partition, log_id, first, end,
                 lagInFrame(end, 1, first) OVER (PARTITION BY service, log_id, topic, partition ORDER BY first, end
                   ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous_end
          FROM batches WHERE logged_at <= {until:DateTime64(3)}
        ) WHERE first != previous_end ORDER BY place, first LIMIT 100`,
};

const start: Check = {
  name: 'start',
  claim: 'every log was read from its first record',
  sql: `SELECT ${PLACE} AS place, concat('the first batch begins at ', toString(min(first))) AS detail
        FROM batches WHERE logged_at <= {until:DateTime64(3)}
        GROUP BY service, topic, partition, log_id HAVING min(first) > 0 ORDER BY place LIMIT 100`,
};

const manifestOnce: Check = {
  name: 'manifest',
  claim: 'each batch stands in the manifest once',
  sql: `SELECT any(${PLACE}) AS place, concat('batch ', batch_id, ' stands ', toString(count()), ' times') AS detail
        FROM batches WHERE logged_at <= {until:DateTime64(3)}
        GROUP BY batch_id, service HAVING count() > 1 ORDER BY detail LIMIT 100`,
};

const rowsOf = (table: string, service: string): Check => ({
  name: `rows:${table}`,
  claim: `${table} holds exactly the rows the manifest of the ${service} counts, batch by batch`,
  sql: `SELECT place, concat('manifest ', toString(expected), ', table ', toString(found), ', batch ', batch_id) AS detail
        FROM (
          SELECT batch_id, any(${PLACE}) AS place, any(rows['${table}']) AS expected
          FROM batches WHERE service = '${service}' AND logged_at <= {until:DateTime64(3)} GROUP BY batch_id
        ) AS manifest
        LEFT JOIN (SELECT batch_id, count() AS found FROM ${table} GROUP BY batch_id) AS stored USING (batch_id)
        WHERE expected != found ORDER BY place, batch_id LIMIT 100`,
});

const orphansOf = (table: string, service: string): Check => ({
  name: `orphans:${table}`,
  claim: `no row of ${table} stands outside a batch of the manifest`,
  sql: `SELECT concat('${table} batch ', batch_id) AS place, concat(toString(count()), ' rows without a manifest row') AS detail
        FROM ${table} WHERE logged_at <= {until:DateTime64(3)}
          AND batch_id NOT IN (SELECT batch_id FROM batches WHERE service = '${service}')
        GROUP BY batch_id ORDER BY place LIMIT 100`,
});

const spansOnce: Check = {
  name: 'spans-once',
  claim: 'no span or log record is stored twice (twins from unsplit foreign topics are listed in span_duplicates)',
  sql: `SELECT concat('tenant ', tenant_id, ' step ', step_id) AS place,
               concat(toString(count()), ' rows, at ', arrayStringConcat(groupArray(concat(log_topic, '/', toString(log_partition), '/', toString(log_offset))), ', ')) AS detail
        FROM spans WHERE logged_at <= {until:DateTime64(3)}
        GROUP BY tenant_id, step_id
        HAVING count() > 1 + (SELECT count() FROM span_duplicates AS d WHERE d.step_id = step_id AND d.tenant_id = tenant_id)
        ORDER BY place LIMIT 100`,
};

const stepsOfSpans: Check = {
  name: 'steps',
  claim: 'the normalizer emitted one step for every row of spans',
  sql: `SELECT ${PLACE} AS place, concat('batch ', batch_id, ': ', toString(rows['spans']), ' rows, ', toString(steps), ' steps') AS detail
        FROM batches WHERE service = 'normalizer' AND logged_at <= {until:DateTime64(3)} AND steps != rows['spans']
        ORDER BY place LIMIT 100`,
};

const folded: Check = {
  name: 'folded',
  claim: 'every step the normalizer emitted was folded by the ledger',
  sql: `SELECT place, detail FROM (
          SELECT concat('ledger ', key) AS place, concat('emitted up to ', toString(max(produced_end)), ', folded up to ', toString(any(folded_end))) AS detail,
                 max(produced_end) AS wanted, any(folded_end) AS got
          FROM (SELECT key, value AS produced_end FROM batches ARRAY JOIN mapKeys(produced) AS key, mapValues(produced) AS value
                WHERE service = 'normalizer' AND logged_at <= {until:DateTime64(3)}
                  AND log_id = (SELECT argMax(log_id, logged_at) FROM batches WHERE service = 'normalizer')) AS p
          LEFT JOIN (SELECT concat(topic, '/', toString(partition)) AS key, max(end) AS folded_end FROM batches
                     WHERE service = 'ledger' GROUP BY key) AS f USING (key)
          GROUP BY key
        ) WHERE got < wanted ORDER BY place LIMIT 100`,
};

const entriesOnce: Check = {
  name: 'entries-once',
  claim: 'no booking has the id of another',
  sql: `SELECT concat('entry ', entry_id) AS place, concat(toString(count()), ' rows') AS detail FROM ledger_entries
        WHERE logged_at <= {until:DateTime64(3)} GROUP BY entry_id HAVING count() > 1 ORDER BY place LIMIT 100`,
};

const reversals: Check = {
  name: 'reversals',
  claim: 'each reversal turns exactly one booking of the same call, and none is reversed twice',
  sql: `SELECT concat('reversal of ', reverses_entry_id) AS place,
               concat(toString(count()), ' reversals, original calls ', toString(any(o.calls)), ', reversed ', toString(sum(r.calls))) AS detail
        FROM (SELECT * FROM ledger_entries WHERE reverses_entry_id IS NOT NULL AND logged_at <= {until:DateTime64(3)}) AS r
        LEFT JOIN (SELECT entry_id, call_id, calls, cost_usd FROM ledger_entries) AS o ON o.entry_id = r.reverses_entry_id
        GROUP BY reverses_entry_id
        HAVING count() > 1 OR any(o.calls) + sum(r.calls) != 0 OR any(o.call_id) != any(r.call_id)
        ORDER BY place LIMIT 100`,
};

const netCalls: Check = {
  name: 'net-calls',
  claim: 'what is booked for a call, reversals counted, is the call itself or nothing',
  sql: `SELECT concat('tenant ', tenant_id, ' call ', call_id) AS place, concat('net calls ', toString(sum(calls)), ' in ', toString(count()), ' entries') AS detail
        FROM ledger_entries WHERE logged_at <= {until:DateTime64(3)} AND entry_kind = 'call'
        GROUP BY tenant_id, call_id HAVING sum(calls) < 0 OR countIf(calls > 0) - countIf(calls < 0) > 1
        ORDER BY place LIMIT 100`,
};

const callsBooked: Check = {
  name: 'calls-booked',
  claim: 'every run with a span that describes a model call has bookings',
  sql: `SELECT concat('tenant ', tenant_id, ' run ', run_id) AS place, concat(toString(described), ' spans describe calls, booked 0') AS detail
        FROM (SELECT tenant_id, run_id, count() AS described FROM spans
              WHERE call_role = 'leaf' AND logged_at <= {until:DateTime64(3)} GROUP BY tenant_id, run_id) AS s
        LEFT JOIN (SELECT tenant_id, run_id, sum(calls) AS booked FROM ledger_entries GROUP BY tenant_id, run_id) AS l
          USING (tenant_id, run_id)
        WHERE booked = 0 ORDER BY place LIMIT 100`,
};

const runTotals: Check = {
  name: 'run-totals',
  claim: 'the totals in runs equal the sums of the ledger',
  sql: `SELECT concat('tenant ', tenant_id, ' run ', run_id) AS place,
               concat('runs says ', toString(run_calls), ' calls, ', toString(run_cost), ' USD; ledger ', toString(booked), ' calls, ', toString(cost)) AS detail
        FROM (SELECT tenant_id, run_id, calls AS run_calls, ifNull(cost_usd, 0) AS run_cost FROM runs FINAL
              WHERE logged_at <= {until:DateTime64(3)}) AS r
        LEFT JOIN (SELECT tenant_id, run_id, sum(calls) AS booked, ifNull(sum(cost_usd), 0) AS cost FROM ledger_entries
                   GROUP BY tenant_id, run_id) AS l USING (tenant_id, run_id)
        WHERE run_calls != booked OR run_cost != cost ORDER BY place LIMIT 100`,
};

/** In the order a person would ask: the chain, the rows, the ledger. */
export const CHECKS: readonly Check[] = [
  chain,
  start,
  manifestOnce,
  ...BATCH_TABLES.map(([table, service]) => rowsOf(table, service)),
  ...BATCH_TABLES.map(([table, service]) => orphansOf(table, service)),
  spansOnce,
  stepsOfSpans,
  folded,
  entriesOnce,
  reversals,
  netCalls,
  callsBooked,
  runTotals,
];
