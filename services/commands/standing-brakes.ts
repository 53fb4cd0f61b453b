import type { Store } from '../runtime/ports.ts';

/** A partition that stands because too many of its recent records were refused. */
export interface StandingBrake {
  readonly service: string;
  readonly log_id: string;
  readonly topic: string;
  readonly partition: number;
  /** The first record not taken. */
  readonly at_offset: string;
  readonly refused: string;
  readonly records: string;
  /** UTC. */
  readonly at: string;
}

/**
 * Partitions stopped by their brake that nobody released and that have not gone on since, by what the services wrote down.
 * Throws TransportError.
 */
export const standingBrakes = (store: Store): Promise<readonly StandingBrake[]> =>
  store.query<StandingBrake>(
    `SELECT b.service AS service, b.log_id AS log_id, b.topic AS topic, b.partition AS partition, toString(b.at_offset) AS at_offset,
       toString(b.refused) AS refused, toString(b.records) AS records, toString(b.at) AS at
     FROM (SELECT * FROM brakes WHERE event = 'stopped' ORDER BY at DESC LIMIT 1 BY service, log_id, topic, partition) AS b
     LEFT JOIN (SELECT service, log_id, topic, partition, max(at_offset) AS pass_until FROM brakes WHERE event = 'released'
                GROUP BY service, log_id, topic, partition) AS r USING (service, log_id, topic, partition)
     LEFT JOIN (SELECT service, log_id, topic, partition, max(end) AS reached FROM batches GROUP BY service, log_id, topic, partition) AS m
       USING (service, log_id, topic, partition)
     WHERE r.pass_until <= b.at_offset AND m.reached <= b.at_offset
     ORDER BY service, topic, partition`,
  );
