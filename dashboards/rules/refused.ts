import { OVERVIEW_PANELS, OVERVIEW_UID } from '../overview/panel-ids.ts';
import { sqlOf } from '../parts/select.ts';
import type { RuleSpec } from './rule.ts';

const MINUTE = 60;
const DAY = 24 * 3600;
/** What is older than the retention of its topic cannot be read any more. */
const LOOK_BACK_SECONDS = 3 * DAY;

const label = (name: string): string => `{{ index .Labels "${name}" }}`;
const VALUE = '{{ index .Values "B" }}';

/** Records went to the dead letters. */
export const deadLetters: RuleSpec = {
  uid: 'tachograph-dead-letters',
  title: 'Tachograph: records are refused',
  severity: 'warning',
  sql: sqlOf({
    from: 'batches',
    columns: {
      service: 'toString(b.service)',
      topic: 'toString(b.topic)',
      records: 'toFloat64(sum(b.dead_letters))',
    },
    where: ['$__timeFilter_ms(b.written_at)'],
    groupBy: ['service', 'topic'],
    orderBy: 'service, topic',
  }),
  rangeSeconds: 15 * MINUTE,
  above: 0,
  forSeconds: 0,
  noData: 'OK',
  summary: `${label('service')} refused ${VALUE} records of ${label('topic')}`,
  meaning:
    'Records of the last quarter of an hour could not be understood. Their bytes are kept, unchanged, in the topic named with .dlq; the good records beside them are stored.',
  look: [
    'The panel "Dead letters": reason and detail, and from when on.',
    '`npx tacho dlq list --since 1h`: topic/partition/offset of each, the service that refused it, and whether it was replayed.',
    'One sender, since its deploy? `npx tacho dlq show POSITION` says where it came from and what this version makes of it.',
  ],
  act: [
    'Tell the owner of the sender the reason; it repeats until they mend it.',
    'Refused although the record is fine: that is a bug here. Report it; after the fix `npx tacho dlq replay --reason …` writes the original bytes back to their partition. What was stored of them before is recognised, also when they are replayed twice; what is refused again names its first origin.',
    'Before the retention of the topic ends (retention.topic_hours): after it only the row is left, not the bytes.',
    'The bytes are as they were sent, nothing in them is redacted: give the .dlq topics the ACLs of their sources. `show --bytes` and `--out` are written into access_log.',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.deadLetters },
};

/** A partition stands by its brake. */
export const braked: RuleSpec = {
  uid: 'tachograph-braked',
  title: 'Tachograph: a partition stands, most of it is refused',
  severity: 'critical',
  sql: `SELECT toString(s.service) AS service, toString(s.topic) AS topic, toFloat64(count()) AS partitions
FROM (
  SELECT k.service AS service, k.log_id AS log_id, k.topic AS topic, k.partition AS partition, argMax(k.at_offset, k.at) AS stands
  FROM brakes AS k WHERE k.event = 'stopped' AND $__timeFilter_ms(k.at) GROUP BY service, log_id, topic, partition
) AS s
LEFT JOIN (
  SELECT k.service AS service, k.log_id AS log_id, k.topic AS topic, k.partition AS partition, max(k.at_offset) AS passes
  FROM brakes AS k WHERE k.event = 'released' GROUP BY service, log_id, topic, partition
) AS r USING (service, log_id, topic, partition)
LEFT JOIN (
  SELECT b.service AS service, b.log_id AS log_id, b.topic AS topic, b.partition AS partition, max(b.end) AS reached
  FROM batches AS b GROUP BY service, log_id, topic, partition
) AS m USING (service, log_id, topic, partition)
WHERE r.passes <= s.stands AND m.reached <= s.stands
GROUP BY service, topic ORDER BY service, topic`,
  rangeSeconds: LOOK_BACK_SECONDS,
  above: 0,
  forSeconds: 0,
  noData: 'OK',
  summary: `${label('service')} has stopped ${VALUE} partitions of ${label('topic')}: most of what came was refused`,
  meaning:
    'More than stream.brake_share of the last stream.brake_window_records records would have gone to the dead letters: a bad deploy, of ours or of the sender, must not drain a topic into the bin. Nothing is lost: what stands waits in the log.',
  look: [
    '`npx tacho dlq list --since 1h`: which reason, one sender or all, from when on?',
    'Was this service deployed, or its kafka.sources changed, shortly before? Then it is ours. Did a sender? Then theirs.',
  ],
  act: [
    'Ours: put the old version or config back and restart; it goes on by itself, for the records are good. Then `npx tacho dlq replay` what was refused.',
    'Theirs: `npx tacho dlq release` lets what is in the log now pass into the dead letters, without a restart. The brake holds again for what comes after.',
    'Hurry only when the wait nears the retention of the topic (retention.topic_hours).',
  ],
  panel: { dashboard: OVERVIEW_UID, id: OVERVIEW_PANELS.deadLetters },
};
