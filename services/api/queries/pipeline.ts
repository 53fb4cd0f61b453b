import { type Query, READ_SETTINGS, type TimeRange, tenantIs, timeWithin, whereOf } from './query.ts';

/** What the manifest says of one partition of one service, over the life of one log. */
export interface ManifestRow {
  readonly service: string;
  readonly log_id: string;
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly end: number;
  readonly batches: number;
  readonly records: number;
  readonly steps: number;
  readonly dead_letters: number;
  readonly duplicates: number;
  readonly filtered: number;
  readonly last_logged_at: string;
  readonly last_written_at: string;
}

/** The manifest by service and partition since `range.fromMs`; older batches stay in the table, not in this sum. */
export const manifestQuery = (range: TimeRange): Query => {
  const where = whereOf([timeWithin('logged_at', range)]);
  return {
    sql: `SELECT service, log_id, topic, partition, min(b.first) AS first, max(b.end) AS end, count() AS batches,
  sum(b.records) AS records, sum(b.steps) AS steps, sum(b.dead_letters) AS dead_letters,
  sum(b.duplicates) AS duplicates, sum(b.filtered) AS filtered,
  max(b.logged_at) AS last_logged_at, max(b.written_at) AS last_written_at
FROM batches AS b
${where.sql}
GROUP BY service, log_id, topic, partition
ORDER BY service, topic, partition, last_written_at DESC
LIMIT 1000
${READ_SETTINGS}`,
    params: where.params,
  };
};

export interface DeadLetterRow {
  readonly service: string;
  readonly topic: string;
  readonly reason: string;
  readonly dead_letters: number;
  readonly bytes: number;
  readonly last_detail: string;
  readonly last_logged_at: string;
  readonly last_position: string;
}

/** Refused records by service, topic and reason, with the newest of each to look at. */
export const deadLettersQuery = (input: { readonly tenant: string | null; readonly range: TimeRange }): Query => {
  const where = whereOf([tenantIs(input.tenant), timeWithin('logged_at', input.range)]);
  return {
    sql: `SELECT service, log_topic AS topic, reason, count() AS dead_letters, sum(d.bytes) AS bytes,
  argMax(d.detail, (d.logged_at, d.log_offset)) AS last_detail, max(d.logged_at) AS last_logged_at,
  argMax(concat(d.log_topic, '/', toString(d.log_partition), '/', toString(d.log_offset)), (d.logged_at, d.log_offset)) AS last_position
FROM dead_letters AS d
${where.sql}
GROUP BY service, topic, reason
ORDER BY dead_letters DESC, service, topic, reason
LIMIT 200
${READ_SETTINGS}`,
    params: where.params,
  };
};

export interface CoverRow {
  readonly first: number;
  readonly end: number;
  readonly produced: Readonly<Record<string, number>>;
}

/** Batches looked at before the covering one: a duplicate makes no steps, its original did so shortly before. */
const COVER_BATCHES = 64;

/** The newest batches of a partition that begin at or before the offset, newest first. */
export const coverQuery = (input: {
  readonly service: string;
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}): Query => ({
  sql: `SELECT b.first AS first, b.end AS end, b.produced AS produced
FROM batches AS b
WHERE b.service = {service:String}
  AND b.log_id = {log_id:String}
  AND b.topic = {topic:String}
  AND b.partition = {partition:UInt32}
  AND b.first <= {offset:UInt64}
ORDER BY b.first DESC
LIMIT ${COVER_BATCHES}
${READ_SETTINGS}`,
  params: {
    service: input.service,
    log_id: input.logId,
    topic: input.topic,
    partition: input.partition,
    offset: input.offset,
  },
});

/** The end of what a service has confirmed of each partition of a topic. */
export const confirmedEndsQuery = (input: {
  readonly service: string;
  readonly logId: string;
  readonly topic: string;
}): Query => ({
  sql: `SELECT b.partition AS partition, max(b.end) AS end
FROM batches AS b
WHERE b.service = {service:String}
  AND b.log_id = {log_id:String}
  AND b.topic = {topic:String}
GROUP BY b.partition
${READ_SETTINGS}`,
  params: { service: input.service, log_id: input.logId, topic: input.topic },
});
