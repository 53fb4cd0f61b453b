import { BELIEVED_SIGNAL } from '../../schemas/family-accounts.ts';
import { type Check, onceEach, PLACE, proof } from './check.ts';
import { lineageChecks } from './lineage-checks.ts';
import { rollupChecks } from './rollup-checks.ts';

/** Tables a batch writes, and the service that owns them; null: several write it, and each row says whose it is. */
export const BATCH_TABLES: readonly (readonly [table: string, service: string | null])[] = [
  ['spans', 'normalizer'],
  ['span_content', 'normalizer'],
  ['dead_letters', null],
  ['ledger_entries', 'ledger'],
  ['span_duplicates', 'ledger'],
  ['lineage_edges', 'lineage'],
  ['policy_violations', 'policy'],
  ['policy_coverage', 'policy'],
  ['incident_events', 'alerter'],
  ['run_state', null],
];

/** Services that fold the steps the normalizer emits. */
const FOLDS = ['ledger', 'lineage', 'policy'] as const;

const chain = proof(
  'chain',
  'batches',
  'each batch begins where the one before it ended: no record was skipped or taken twice',
  `SELECT ${PLACE} AS place, concat('batch [', toString(first), ', ', toString(end), ') follows end ', toString(previous_end)) AS detail
   FROM (
     SELECT service, topic, partition, log_id, first, end,
            lagInFrame(end, 1, first) OVER (PARTITION BY service, log_id, topic, partition ORDER BY first, end
              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS previous_end
     FROM batches
   ) WHERE first != previous_end ORDER BY place, first LIMIT 100`,
);

/** Once the manifest itself is so old that its head expires, the first batches were proven by earlier audits. */
const start = proof(
  'start',
  'batches',
  'every log was read from its first record',
  `SELECT ${PLACE} AS place, concat('the first batch begins at ', toString(min(first))) AS detail
   FROM batches
   WHERE (SELECT min(logged_at) FROM batches) >= {since:DateTime64(3)}
   GROUP BY service, topic, partition, log_id HAVING min(first) > 0 ORDER BY place LIMIT 100`,
);

const manifestOnce = proof(
  'manifest',
  'batches',
  'each batch stands in the manifest once',
  `SELECT any(${PLACE}) AS place, concat('batch ', batch_id, ' stands ', toString(count()), ' times') AS detail
   FROM batches GROUP BY batch_id, service HAVING count() > 1 ORDER BY detail LIMIT 100`,
);

/** Whose a row is: of a table with one owner, its name; of a shared one, what stands in the row. */
const ownerOf = (service: string | null): string => (service === null ? 'toString(service)' : `'${service}'`);
/** Manifest rows that speak of a table. */
const tellers = (table: string, service: string | null): string =>
  service === null ? `mapContains(rows, '${table}')` : `service = '${service}'`;

const rowsOf = (table: string, service: string | null): Check =>
  proof(
    `rows:${table}`,
    table,
    `${table} holds exactly the rows the manifest of the ${service ?? 'folds'} counts, batch by batch`,
    // One pass over both, so that neither side has to fit into memory as a join would need.
    `SELECT max(whose) AS place, concat('manifest ', toString(sum(expected)), ', table ', toString(sum(found)), ', batch ', batch_id) AS detail
     FROM (
       SELECT batch_id, ${ownerOf(service)} AS owner, ${PLACE} AS whose, rows['${table}'] AS expected, 0 AS found, 1 AS told FROM batches
       WHERE ${tellers(table, service)} AND written_at <= {until:DateTime64(3)} AND logged_at >= {since:DateTime64(3)}
       LIMIT 1 BY batch_id, owner
       UNION ALL
       SELECT batch_id, ${ownerOf(service)} AS owner, '' AS whose, 0 AS expected, 1 AS found, 0 AS told FROM ${table}
     ) GROUP BY batch_id, owner HAVING sum(told) > 0 AND sum(expected) != sum(found) ORDER BY place, batch_id LIMIT 100`,
  );

const orphansOf = (table: string, service: string | null): Check => ({
  name: `orphans:${table}`,
  table,
  kind: 'open',
  claim: `no row of ${table} stands outside a batch of the manifest`,
  sql: `SELECT batch_id AS place, owner AS service, concat(toString(sum(found)), ' rows of ${table} without a manifest row of the ', owner) AS detail
        FROM (
          SELECT batch_id, ${ownerOf(service)} AS owner, 1 AS found, 0 AS told FROM ${table} WHERE logged_at >= {since:DateTime64(3)}
          UNION ALL
          SELECT batch_id, ${ownerOf(service)} AS owner, 0 AS found, 1 AS told FROM batches WHERE ${tellers(table, service)}
        ) GROUP BY batch_id, owner HAVING sum(told) = 0 AND sum(found) > 0 ORDER BY place, owner LIMIT 100`,
});

/** How far each fold has come in each partition of the steps, in the present life of that log. */
const REACHES = `SELECT service, key, argMax(reach, began) AS got, max(began) AS life
     FROM (SELECT toString(service) AS service, concat(topic, '/', toString(partition)) AS key, log_id, max(end) AS reach, min(logged_at) AS began
           FROM batches WHERE service IN (${FOLDS.map((fold) => `'${fold}'`).join(', ')}) GROUP BY service, key, log_id)
     GROUP BY service, key`;

/** Batches of the normalizer whose steps the ledger has not folded yet, or not seen by this audit. A short list. */
const UNFOLDED = `SELECT b.batch_id FROM (
     SELECT batch_id, written_at, arrayJoin(produced).1 AS key, arrayJoin(produced).2 AS wanted
     FROM batches WHERE service = 'normalizer' AND notEmpty(produced)
   ) AS b LEFT JOIN (SELECT * FROM (${REACHES}) WHERE service = 'ledger') AS f ON f.key = b.key
   WHERE b.written_at > {until:DateTime64(3)} OR (b.wanted > f.got AND b.written_at >= f.life - INTERVAL 1 MINUTE)`;

/** Rows of spans that the ledger has had. */
const FOLDED_SPANS = `ingested_at <= {until:DateTime64(3)} AND batch_id NOT IN (${UNFOLDED})`;

const spansOnce = proof(
  'spans-once',
  'spans',
  'no span or log record is stored twice (twins from unsplit foreign topics are listed in span_duplicates)',
  `SELECT concat('tenant ', tenant_id, ' step ', step_id) AS place,
          concat(toString(sum(stored)), ' rows, ', toString(sum(listed)), ' listed as duplicates') AS detail
   FROM (
     SELECT tenant_id, step_id, 1 AS stored, 0 AS listed FROM spans WHERE ${FOLDED_SPANS}
     UNION ALL
     SELECT tenant_id, step_id, 0 AS stored, 1 AS listed FROM span_duplicates
   ) GROUP BY tenant_id, step_id HAVING sum(stored) > 1 + sum(listed) ORDER BY place LIMIT 100`,
);

const stepsOfSpans = proof(
  'steps',
  'batches',
  'the normalizer emitted one step for every row of spans',
  `SELECT ${PLACE} AS place, concat('batch ', batch_id, ': ', toString(rows['spans']), ' rows, ', toString(steps), ' steps') AS detail
   FROM batches WHERE service = 'normalizer' AND steps != rows['spans'] ORDER BY place LIMIT 100`,
);

const folded: Check = {
  name: 'folded',
  table: 'batches',
  kind: 'progress',
  claim: `every step the normalizer emitted was folded (${FOLDS.join(', ')})`,
  sql: `SELECT concat(p.fold, ' ', p.key) AS place, concat('emitted up to ', toString(max(p.wanted)), ', folded up to ', toString(any(f.got))) AS detail
        FROM (SELECT arrayJoin([${FOLDS.map((fold) => `'${fold}'`).join(', ')}]) AS fold, key, wanted, written_at FROM (
                SELECT arrayJoin(produced).1 AS key, arrayJoin(produced).2 AS wanted, written_at FROM batches
                WHERE service = 'normalizer' AND notEmpty(produced) AND written_at <= {until:DateTime64(3)})) AS p
        LEFT JOIN (${REACHES}) AS f ON f.service = p.fold AND f.key = p.key
        WHERE p.written_at >= f.life - INTERVAL 1 MINUTE
        GROUP BY p.fold, p.key HAVING max(p.wanted) > any(f.got) ORDER BY place LIMIT 100`,
};

/** Runs beyond this many steps are told as summarised (see the ledger's limits), so their count is no proof. */
const COUNTED_STEPS_MAX = 50_000;

const runSteps = proof(
  'run-steps',
  'spans',
  'each run counts every row of spans once: nothing was lost or doubled between the raw table and the ledger',
  `SELECT concat('tenant ', tenant_id, ' run ', run_id) AS place,
          concat('spans hold ', toString(stored), ' steps, the run counts ', toString(counted)) AS detail
   FROM (
     SELECT tenant_id, run_id, uniqExactIf(cityHash64(step_id), origin = 1) AS folded, uniqExactIf(cityHash64(step_id), origin < 2) AS stored,
            maxIf(steps, origin = 2) AS counted, maxIf(is_settled, origin = 2) AS settled
     FROM (
       SELECT tenant_id, run_id, step_id, if(${FOLDED_SPANS}, 1, 0) AS origin, 0 AS steps, 0 AS is_settled FROM spans
       UNION ALL
       SELECT tenant_id, run_id, '' AS step_id, 2 AS origin, steps,
              batch_id NOT IN (SELECT batch_id FROM batches WHERE service = 'ledger' AND written_at > {until:DateTime64(3)}) AS is_settled
       FROM runs FINAL
     ) GROUP BY tenant_id, run_id
   )
   WHERE counted <= ${COUNTED_STEPS_MAX}
     AND (folded > counted OR (settled AND counted > stored AND (SELECT min(logged_at) FROM batches WHERE service = 'normalizer') >= {since:DateTime64(3)}))
   ORDER BY place LIMIT 100`,
);

const deadLettersTold = proof(
  'dead-letters',
  'dead_letters',
  'each record a batch refused stands in dead_letters, with its position',
  `SELECT max(whose) AS place, concat('manifest ', toString(sum(expected)), ' records refused, dead_letters ', toString(sum(found)), ', batch ', batch_id) AS detail
   FROM (
     SELECT batch_id, toString(service) AS owner, ${PLACE} AS whose, dead_letters AS expected, 0 AS found, 1 AS told FROM batches
     WHERE written_at <= {until:DateTime64(3)} AND logged_at >= {since:DateTime64(3)} AND (service = 'normalizer' OR mapContains(rows, 'dead_letters'))
     LIMIT 1 BY batch_id, owner
     UNION ALL
     SELECT batch_id, toString(service) AS owner, '' AS whose, 0 AS expected, uniqExact(log_offset) AS found, 0 AS told FROM dead_letters
     GROUP BY batch_id, owner
   ) GROUP BY batch_id, owner HAVING sum(told) > 0 AND sum(expected) != sum(found) ORDER BY place, batch_id LIMIT 100`,
);

const balance = proof(
  'balance',
  'batches',
  'whatever the records of a batch held became a row, a duplicate, filtered or a dead letter: nothing fell out between',
  `SELECT ${PLACE} AS place, concat('batch ', batch_id, ': ', toString(items), ' items; ', toString(rows['spans']), ' rows, ', toString(duplicates),
          ' duplicates, ', toString(filtered), ' filtered, ', toString(rows['dead_letters']), ' refused') AS detail
   FROM batches WHERE service = 'normalizer' AND items != rows['spans'] + duplicates + filtered + rows['dead_letters'] ORDER BY place LIMIT 100`,
);

const entriesOnce = onceEach('entries-once', 'ledger_entries', 'entry', 'entry_id', 'no booking has the id of another');

const violationsOnce = onceEach(
  'violations-once',
  'policy_violations',
  'violation',
  'violation_id',
  'no violation has the id of another',
);

const reversals = proof(
  'reversals',
  'ledger_entries',
  'each reversal turns exactly one booking of the same call, and none is reversed twice',
  `SELECT concat('reversal of ', id) AS place,
          concat(toString(countIf(isReversal)), ' reversals, original calls ', toString(sumIf(calls, NOT isReversal)), ', reversed ', toString(sumIf(calls, isReversal)),
                 ', cost left ', toString(sum(ifNull(cost_usd, 0)))) AS detail
   FROM (
     SELECT ifNull(reverses_entry_id, '') AS id, 1 AS isReversal, calls, cost_usd, call_id FROM ledger_entries
     WHERE reverses_entry_id IS NOT NULL AND logged_at >= {since:DateTime64(3)}
     UNION ALL
     SELECT entry_id AS id, 0 AS isReversal, calls, cost_usd, call_id FROM ledger_entries
     WHERE entry_id IN (SELECT ifNull(reverses_entry_id, '') FROM ledger_entries
                        WHERE reverses_entry_id IS NOT NULL AND logged_at >= {since:DateTime64(3)})
   ) GROUP BY id
   HAVING countIf(isReversal) != 1 OR countIf(NOT isReversal) != 1 OR sum(calls) != 0 OR sum(ifNull(cost_usd, 0)) != 0
      OR uniqExact(call_id) != 1
   ORDER BY place LIMIT 100`,
);

const netCalls = proof(
  'net-calls',
  'ledger_entries',
  'what is booked for a call, reversals counted, is the call itself or nothing',
  `SELECT concat('tenant ', tenant_id, ' call ', call_id) AS place, concat('net calls ', toString(sum(calls)), ' in ', toString(count()), ' entries') AS detail
   FROM ledger_entries WHERE entry_kind = 'call' AND logged_at >= {since:DateTime64(3)}
   GROUP BY tenant_id, call_id HAVING sum(calls) < 0 OR countIf(calls > 0) - countIf(calls < 0) > 1
   ORDER BY place LIMIT 100`,
);

/** Where a family's believed signal is heard, accounts in another one are evidence: nothing is booked for them. */
const BELIEVED = [...BELIEVED_SIGNAL].map(([family, signal]) => `('${family}', '${signal}')`).join(', ');

const callsBooked = proof(
  'calls-booked',
  'spans',
  'every run with a span that describes a model call has bookings, had them until another run told of the same call, or hears the signal its family is believed by',
  `SELECT concat('tenant ', tenant_id, ' run ', run_id) AS place, concat(toString(sum(described)), ' spans describe calls, booked 0') AS detail
   FROM (
     SELECT tenant_id, run_id, 1 AS described, 0 AS calls FROM spans WHERE call_role = 'leaf' AND ${FOLDED_SPANS}
       AND ((family, signal) IN (${BELIEVED})
         OR (tenant_id, run_id, family) NOT IN (SELECT tenant_id, run_id, family FROM spans WHERE (family, signal) IN (${BELIEVED})))
     UNION ALL
     SELECT tenant_id, run_id, 0 AS described, calls FROM ledger_entries
     UNION ALL
     SELECT tenant_id, run_id, 0 AS described, 1 AS calls FROM run_links WHERE reason = 'same_call'
   ) GROUP BY tenant_id, run_id HAVING sum(described) > 0 AND sum(calls) = 0 ORDER BY place LIMIT 100`,
);

const runTotals = proof(
  'run-totals',
  'ledger_entries',
  'the totals in runs equal the sums of the ledger',
  `SELECT concat('tenant ', tenant_id, ' run ', run_id) AS place,
          concat('runs says ', toString(sum(run_calls)), ' calls, ', toString(sum(run_cost)), ' USD; ledger ', toString(sum(booked)), ' calls, ', toString(sum(cost))) AS detail
   FROM (
     SELECT tenant_id, run_id, calls AS run_calls, ifNull(cost_usd, 0) AS run_cost, 0 AS booked, toDecimal128(0, 12) AS cost,
            batch_id NOT IN (SELECT batch_id FROM batches WHERE service = 'ledger' AND written_at > {until:DateTime64(3)}) AS is_settled
     FROM runs FINAL WHERE logged_at >= {since:DateTime64(3)}
     UNION ALL
     SELECT tenant_id, run_id, 0 AS run_calls, toDecimal128(0, 12) AS run_cost, calls AS booked, ifNull(cost_usd, 0) AS cost, 0 AS is_settled
     FROM ledger_entries
   ) GROUP BY tenant_id, run_id
   HAVING (sum(run_calls) != sum(booked) OR sum(run_cost) != sum(cost)) AND max(is_settled) = 1
   ORDER BY place LIMIT 100`,
);

/** In the order a person would ask: the chain, the rows, the ledger, the lineage. */
export const CHECKS: readonly Check[] = [
  chain,
  start,
  manifestOnce,
  ...BATCH_TABLES.map(([table, service]) => rowsOf(table, service)),
  ...BATCH_TABLES.map(([table, service]) => orphansOf(table, service)),
  spansOnce,
  stepsOfSpans,
  deadLettersTold,
  balance,
  folded,
  runSteps,
  entriesOnce,
  reversals,
  netCalls,
  callsBooked,
  runTotals,
  ...lineageChecks,
  ...rollupChecks,
  violationsOnce,
];
