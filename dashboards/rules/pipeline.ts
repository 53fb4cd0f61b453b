import { OVERVIEW_PANELS, OVERVIEW_UID } from '../overview/panel-ids.ts';
import { secondsOf, sqlOf } from '../parts/select.ts';
import { braked, deadLetters } from './refused.ts';
import type { RuleGroup, RuleSpec } from './rule.ts';

/**
 * Rules about the pipeline itself. They are Grafana's whoever pages about budgets: a system that is down cannot tell.
 * All read what is stored; what a process knows of itself (lag in records, stopped partitions) is in /metrics.
 */
const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;

/** Promised is 2 s under load; a batch lingers a quarter of a second. Half a minute is not a burst any more. */
const FRESHNESS_MAX_SECONDS = 30;
/** A service that keeps up reads a record within seconds. */
const LAG_MAX_SECONDS = 2 * MINUTE;
/** Longer than a restart with its replay. */
const STOPPED_MAX_SECONDS = 10 * MINUTE;
const SILENT_MAX_SECONDS = 30 * MINUTE;
/** Ten-minute slots of a day with traffic, of 144: below this the traffic is not steady, and silence says nothing. */
const STEADY_SLOTS = 120;
/** Audits run every ten minutes. */
const AUDIT_MAX_SECONDS = HOUR;
/** What is older than the retention of its topic cannot be read any more. */
const LOOK_BACK_SECONDS = 3 * DAY;

const label = (name: string): string => `{{ index .Labels "${name}" }}`;
const VALUE = '{{ index .Values "B" }}';

/** Services that have confirmed a batch within this count as running; one taken out of service is not missed for ever. */
const KNOWN_FOR = 'INTERVAL 7 DAY';
const IS_UNREAD = 'p.wanted > f.got AND p.written_at >= f.life - INTERVAL 1 MINUTE';

/**
 * For each service that reads a topic of ours, and each of its partitions: up to where batches wrote into it, up to where
 * the service read in the present life of the log, and since when the first unread batch waits. Partitions a service has
 * never read count from their start.
 */
const WAITING = `SELECT f.service AS service, p.key AS key, minIf(p.written_at, ${IS_UNREAD}) AS since, countIf(${IS_UNREAD}) AS unread
  FROM (
    SELECT tupleElement(arrayJoin(b.produced), 1) AS key, tupleElement(arrayJoin(b.produced), 2) AS wanted, b.written_at AS written_at
    FROM batches AS b WHERE notEmpty(b.produced) AND $__timeFilter_ms(b.written_at)
  ) AS p
  INNER JOIN (
    SELECT service, key, argMax(reach, began) AS got, max(began) AS life
    FROM (
      SELECT b.service AS service, concat(b.topic, '/', toString(b.partition)) AS key, b.log_id AS log_id, max(b.end) AS reach, min(b.logged_at) AS began
      FROM batches AS b WHERE b.written_at > $__toTime_ms - ${KNOWN_FOR} GROUP BY service, key, log_id
      UNION ALL
      SELECT known.service AS service, parts.key AS key, '' AS log_id, 0 AS reach, toDateTime64(0, 3, 'UTC') AS began
      FROM (SELECT DISTINCT b.service AS service, b.topic AS topic FROM batches AS b WHERE b.written_at > $__toTime_ms - ${KNOWN_FOR}) AS known
      INNER JOIN (
        SELECT DISTINCT arrayJoin(mapKeys(b.produced)) AS key, splitByChar('/', key)[1] AS topic
        FROM batches AS b WHERE $__timeFilter_ms(b.written_at)
      ) AS parts ON parts.topic = known.topic
    ) GROUP BY service, key
  ) AS f ON f.key = p.key
  GROUP BY service, key`;

const freshness: RuleSpec = {
  uid: 'tachograph-freshness',
  title: 'Tachograph: what is accepted is stored late',
  severity: 'warning',
  sql: sqlOf({
    from: 'batches',
    columns: {
      service: 'toString(b.service)',
      seconds: `toFloat64(quantileExact(0.99)(${secondsOf('b.logged_at', 'b.written_at')}))`,
    },
    where: ['$__timeFilter_ms(b.written_at)'],
    groupBy: ['service'],
    orderBy: 'service',
  }),
  rangeSeconds: 5 * MINUTE,
  above: FRESHNESS_MAX_SECONDS,
  forSeconds: 5 * MINUTE,
  noData: 'OK',
  summary: `${label('service')} stores what it reads ${VALUE} s after it was accepted`,
  meaning: `One batch in a hundred took longer than ${FRESHNESS_MAX_SECONDS} s from the log to the store, for five minutes. Nothing is lost: it waits in the log.`,
  look: [
    'The panel "Freshness by service": one service, or all?',
    '`tacho_store_insert_seconds` and `tacho_stream_lag_records` in /metrics: a slow store, or more data than before?',
    'After an outage a backlog is read late by nature; then the value falls by itself.',
  ],
  act: [
    'A slow store: look at its merges, disk and memory before anything of ours.',
    'More data: run more processes of the service, up to one a partition.',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.freshnessOverTime },
};

const lag: RuleSpec = {
  uid: 'tachograph-lag',
  title: 'Tachograph: a service is behind',
  severity: 'warning',
  sql: `SELECT toString(service) AS service, toFloat64(max(if(unread > 0, greatest(${secondsOf('since', '$__toTime_ms')}, 0), 0))) AS seconds
FROM (
  ${WAITING}
) GROUP BY service ORDER BY service`,
  rangeSeconds: LOOK_BACK_SECONDS,
  above: LAG_MAX_SECONDS,
  forSeconds: 5 * MINUTE,
  noData: 'OK',
  summary: `${label('service')} has not read what was written for it ${VALUE} s ago`,
  meaning: `Another service has written into a topic what this one has not read for more than ${LAG_MAX_SECONDS / MINUTE} minutes: its figures (cost, lineage, violations) are old. Nothing is lost while the topic keeps it.`,
  look: [
    '`GET /api/v1/pipeline`: the lag of each partition, and whether one is stopped.',
    'The log of the service: "stopped by a permanent error" names the table and the reason.',
    'Is only one partition behind? Then one run is very large, or that partition is stopped.',
  ],
  act: [
    'Running, but slow: more processes of it, up to one a partition.',
    'Stopped: mend what its log names, then restart it; it goes on where the manifest ends.',
    'When the lag nears the retention of the topic (retention.topic_hours), lengthen the retention first.',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.freshnessOverTime },
};

const stopped: RuleSpec = {
  uid: 'tachograph-stopped',
  title: 'Tachograph: a service has stopped',
  severity: 'critical',
  sql: `SELECT toString(w.service) AS service, toFloat64(if(sum(w.unread) > 0, greatest(${secondsOf('max(l.last)', '$__toTime_ms')}, 0), 0)) AS seconds
FROM (
  ${WAITING}
) AS w
INNER JOIN (SELECT b.service AS service, max(b.written_at) AS last FROM batches AS b GROUP BY service) AS l ON l.service = w.service
GROUP BY w.service ORDER BY service`,
  rangeSeconds: LOOK_BACK_SECONDS,
  above: STOPPED_MAX_SECONDS,
  forSeconds: 2 * MINUTE,
  noData: 'OK',
  summary: `${label('service')} has confirmed nothing for ${VALUE} s although work waits for it`,
  meaning: `Work waits in a topic, and this service has confirmed no batch for more than ${STOPPED_MAX_SECONDS / MINUTE} minutes.`,
  look: [
    'Is the process there? /readyz of its host, or the state of its pods.',
    'Its log: a permanent error of the store stops a partition on purpose; a bug ends the process.',
  ],
  act: [
    'Start it again: it reads its last intent and goes on; nothing is lost or doubled.',
    'If it stops again at the same place, keep its log and the batch named there, and stop the restarts.',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.freshnessOverTime },
};

const silent: RuleSpec = {
  uid: 'tachograph-silent',
  title: 'Tachograph: nothing arrives any more',
  severity: 'critical',
  sql: `SELECT toString(b.service) AS service, toFloat64(${secondsOf('max(b.written_at)', '$__toTime_ms')}) AS seconds
FROM batches AS b
WHERE b.service = 'normalizer' AND $__timeFilter_ms(b.written_at)
  AND b.written_at > (SELECT max(n.written_at) FROM batches AS n WHERE n.service = 'normalizer' AND n.written_at <= $__toTime_ms) - INTERVAL 1 DAY
GROUP BY service HAVING uniqExact(toStartOfTenMinutes(b.written_at)) >= ${STEADY_SLOTS}`,
  rangeSeconds: LOOK_BACK_SECONDS,
  above: SILENT_MAX_SECONDS,
  forSeconds: 0,
  noData: 'OK',
  summary: `nothing was stored for ${VALUE} s, where something came all day long before`,
  meaning: `Traffic was steady for a day (${STEADY_SLOTS} of 144 ten-minute slots), and for ${SILENT_MAX_SECONDS / MINUTE} minutes nothing has been stored: the senders, the receiver, the log or the normalizer is down. Installations without steady traffic never fire.`,
  look: [
    '`tacho_receiver_requests_total` in /metrics: do requests arrive, and with which status?',
    '`tacho_stream_lag_records{service="normalizer"}`: above 0, the normalizer is the one that stands.',
    '`tacho doctor` on the host of the receiver: ports, log, disk.',
  ],
  act: [
    'Requests answered 503: the log is full or not there; senders keep their data and retry.',
    'No requests: ask whose agents should be running; their exporters may be misconfigured since a deploy.',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.freshness },
};

const findings: RuleSpec = {
  uid: 'tachograph-audit-findings',
  title: 'Tachograph: the audit found something',
  severity: 'critical',
  sql: `SELECT toString(a.check) AS check, toFloat64(a.findings) AS findings
FROM audit_results AS a
WHERE $__timeFilter_ms(a.finished_at)
  AND a.audit_id = (SELECT argMax(audit_id, finished_at) FROM audit_results WHERE finished_at <= $__toTime_ms)
ORDER BY check`,
  rangeSeconds: DAY,
  above: 0,
  forSeconds: 0,
  noData: 'OK',
  summary: `the audit contradicts "${label('check')}" in ${VALUE} places`,
  meaning:
    'The stored data contradicts a promise: something is lost, doubled or does not add up. The audit looks four times before it says so; it is not a batch on its way.',
  look: [
    'The panel "Audit": which check, what it claims.',
    '`npx tacho audit`: the places, batch by batch; `--json` for all of them.',
    'Did somebody change tables by hand, restore a backup, or lose a disk?',
  ],
  act: [
    'Do not repair by hand: the places are the evidence. Keep the output of `npx tacho audit --json`.',
    '`npx tacho audit --repair --dry-run` says what would mend it; without `--dry-run` it does, and audits again.',
    'Figures of the batches named are doubtful until it is clear; all others stand.',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.audit },
};

const unaudited: RuleSpec = {
  uid: 'tachograph-audit-stale',
  title: 'Tachograph: no audit runs',
  severity: 'warning',
  sql: `SELECT toFloat64(${secondsOf('greatest(min(b.written_at), (SELECT max(a.finished_at) FROM audit_results AS a WHERE a.finished_at <= $__toTime_ms))', '$__toTime_ms')}) AS seconds
FROM batches AS b WHERE b.written_at <= $__toTime_ms HAVING count() > 0`,
  rangeSeconds: HOUR,
  above: AUDIT_MAX_SECONDS,
  forSeconds: 5 * MINUTE,
  noData: 'OK',
  summary: `no audit has finished for ${VALUE} s`,
  meaning: `Data is stored, and for more than ${AUDIT_MAX_SECONDS / MINUTE} minutes nobody has checked that nothing is lost or doubled. \`tacho up\` audits every ten minutes; elsewhere \`tacho audit --every 10m\` does.`,
  look: [
    'The panel "Audit": when the last one finished.',
    'The log of the process that audits: "audit failed" names what the store answered.',
  ],
  act: ['Start `tacho audit --every 10m`, or give it more memory: it says when the store refused for lack of it.'],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.audit },
};

/** Always provisioned, whoever pages. */
export const pipelineRules: RuleGroup = {
  name: 'Tachograph pipeline',
  rules: [freshness, lag, stopped, silent, deadLetters, braked, findings, unaudited],
};
