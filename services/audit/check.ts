/**
 * What `tacho audit` proves from stored data, each check one query that gives the places where it does not hold.
 * A running system passes: what the manifest told before the watermark is settled, and a finding that a second look no
 * longer meets was a batch on its way (audit.ts).
 */
export interface Check {
  readonly name: string;
  /** One sentence: what holds when there are no findings. */
  readonly claim: string;
  /**
   * SQL giving one row a finding: `place` and `detail`. `{until:DateTime64(3)}`: manifest rows written later are left
   * to the next audit. `{since:DateTime64(3)}`: what was logged earlier may have expired from `table`.
   */
  readonly sql: string;
  /** The table whose TTL bounds the check. */
  readonly table: string;
  /** 'open': rows that may belong to a batch still open; 'progress': says what waits, and is no failure. */
  readonly kind: 'proof' | 'open' | 'progress';
}

/** A check that holds in a running system too. */
export const proof = (name: string, table: string, claim: string, sql: string): Check => ({
  name,
  claim,
  sql,
  table,
  kind: 'proof',
});

/** Two rows of a table are never the same thing: `noun` in words, `id` its column. */
export const onceEach = (name: string, table: string, noun: string, id: string, claim: string): Check =>
  proof(
    name,
    table,
    claim,
    `SELECT concat('${noun} ', ${id}) AS place, concat(toString(count()), ' rows') AS detail FROM ${table}
   GROUP BY ${id} HAVING count() > 1 ORDER BY place LIMIT 100`,
  );

/** Where a batch of the manifest stands, for a person. */
export const PLACE = `concat(service, ' ', topic, '/', toString(partition), ' log ', substring(log_id, 1, 8))`;
