import { type Selection, selectionSql } from './dlq-selection.ts';
import { query } from './query.ts';
import type { World } from './world.ts';

/**
 * Prints the dead letters that are meant, newest first, one line a record and service that refused it: where it stands,
 * why, whether it was replayed since. Contents are not shown. Resolves to the exit code.
 */
export const listDeadLetters = (world: World, selection: Selection, format: string, limit: number): Promise<number> =>
  query(world, listSql(selection, limit), format);

const listSql = (selection: Selection, limit: number): string =>
  `SELECT d.position AS position, d.service AS service, d.reason AS reason, d.items AS items, d.bytes AS bytes, d.tenant AS tenant,
  d.logged_at AS logged_at, d.detail AS detail, d.replay_of AS replay_of, if(r.at = toDateTime64(0, 3, 'UTC'), NULL, r.at) AS replayed_at
FROM (
  SELECT concat(s.log_topic, '/', toString(s.log_partition), '/', toString(s.log_offset)) AS position, s.log_id AS log_id,
    toString(s.service) AS service, argMin(s.reason, s.log_index) AS reason, count() AS items, max(s.bytes) AS bytes,
    any(s.tenant_id) AS tenant, max(s.logged_at) AS logged_at, argMin(s.detail, s.log_index) AS detail, any(s.replay_of) AS replay_of
  FROM (SELECT * FROM dead_letters WHERE ${selectionSql(selection)}) AS s GROUP BY position, log_id, service
  ORDER BY logged_at DESC, position DESC, service LIMIT ${limit}
) AS d
LEFT JOIN (SELECT subject, max(at) AS at FROM access_log WHERE action = 'dlq_replay' GROUP BY subject) AS r
  ON r.subject = concat(d.log_id, '/', d.position)
ORDER BY logged_at DESC, position DESC, service`;
