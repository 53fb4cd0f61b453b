import type { QueryParams, Row } from '../../services/runtime/ports.ts';

/** A row as it landed, and with which insert. */
interface Landed {
  readonly row: Row;
  readonly token: string;
}

/**
 * As much of ClickHouse as the stream loop relies on: tables, inserts that fall into one block a table partition (here:
 * a second of `logged_at`), a deduplication token a block, and the very queries the loop asks. A query it does not know
 * is an error: then the loop asks something new, and this must learn it.
 */
export interface SimulatedStore {
  readonly rows: (table: string) => readonly Row[];
  readonly landed: (table: string) => readonly Landed[];
  /** Lands the blocks of an insert that `isLanding` picks, each unless its token is known. */
  readonly land: (table: string, rows: readonly Row[], token: string, isLanding?: (block: string) => boolean) => void;
  /** The server dies in mid-insert: tokens are remembered, rows are gone. */
  readonly swallow: (table: string, rows: readonly Row[], token: string) => void;
  /** The server has got an insert and is at it, until what this gives is called. */
  readonly begin: (token: string) => () => void;
  readonly answer: (sql: string, params: QueryParams) => readonly Row[];
}

const blocksOf = (rows: readonly Row[]): ReadonlyMap<string, readonly Row[]> => {
  const blocks = new Map<string, Row[]>();
  for (const row of rows) {
    const block = String(row['logged_at']).slice(0, 19);
    const held = blocks.get(block);
    if (held === undefined) blocks.set(block, [row]);
    else held.push(row);
  }
  return blocks;
};

type Answer = (rows: readonly Row[], params: QueryParams, match: RegExpExecArray) => readonly Row[];

const ofPlace = (row: Row, params: QueryParams): boolean =>
  row['service'] === params['service'] &&
  row['log_id'] === params['log_id'] &&
  row['topic'] === params['topic'] &&
  row['partition'] === params['partition'];

const manifestEnd: Answer = (rows, params) => {
  const own = rows.filter((row) => ofPlace(row, params));
  const end = own.reduce((max, row) => Math.max(max, Number(row['end'])), 0);
  const last = own.map((row) => String(row['logged_at'])).sort();
  return [{ batches: String(own.length), end: String(end), last: last.at(-1) ?? '1970-01-01 00:00:00.000' }];
};

const missingRows: Answer = (rows, params, match) => {
  const columns = [...(match[1] ?? '').matchAll(/toString\((\w+)\)/g)].map((column) => column[1] ?? '');
  const [from, to] = [String(params['from']), String(params['to'])];
  return rows
    .filter((row) => row['batch_id'] === params['batch_id'])
    .filter((row) => String(row['logged_at']) >= from && String(row['logged_at']) <= to)
    .map((row) => ({ id: columns.map((column) => String(row[column])).join('\n') }));
};

const newestStates: Answer = (rows, params) => {
  const keys = new Set(params['keys'] as readonly string[]);
  const newest = new Map<string, number>();
  for (const row of rows) {
    const [key, asOf] = [String(row['run_key']), Number(row['as_of'])];
    if (!keys.has(key) || asOf > Number(params['first']) || !ofPlace(row, params)) continue;
    newest.set(key, Math.max(newest.get(key) ?? 0, asOf));
  }
  return [...newest].map(([run_key, as_of]) => ({ run_key, as_of: String(as_of) }));
};

const statesAt: Answer = (rows, params) => {
  const ends = params['ends'] as readonly number[];
  const wanted = new Map((params['keys'] as readonly string[]).map((key, at) => [key, ends[at]]));
  const found = new Map<unknown, Row>();
  for (const row of rows)
    if (ofPlace(row, params) && wanted.get(String(row['run_key'])) === Number(row['as_of']))
      found.set(row['run_key'], row);
  return [...found.values()];
};

const seenSteps: Answer = (rows, params) =>
  rows.filter(
    (row) =>
      row['log_id'] === params['log_id'] &&
      row['log_topic'] === params['topic'] &&
      row['log_partition'] === params['partition'] &&
      Number(row['log_offset']) >= Number(params['from']) &&
      Number(row['log_offset']) < Number(params['first']),
  );

const windowOf: Answer = (rows, params) =>
  rows.filter(
    (row) =>
      row['service'] === params['service'] &&
      row['run_key'] === params['key'] &&
      row['batch_id'] === params['batch_id'],
  );

const variantOf: Answer = (rows, params) => rows.filter((row) => row['batch_id'] === params['batch_id']).slice(0, 1);

const DAY_MS = 86_400_000;

/** An empty store. */
export const createSimulatedStore = (): SimulatedStore => {
  const tables = new Map<string, Landed[]>();
  const tokens = new Map<string, Set<string>>();
  const running = new Map<symbol, string>();
  const tableOf = (table: string): Landed[] => {
    const found = tables.get(table) ?? [];
    tables.set(table, found);
    return found;
  };
  const rowsOf = (table: string): readonly Row[] => tableOf(table).map(({ row }) => row);
  const isNew = (table: string, block: string): boolean => {
    const known = tokens.get(table) ?? new Set();
    tokens.set(table, known);
    if (known.has(block)) return false;
    known.add(block);
    return true;
  };
  const outsideManifest: Answer = (rows, params, { input = '' }) => {
    const sinceMs = Date.parse(`${String(params['since']).replace(' ', 'T')}Z`) - DAY_MS;
    const since = new Date(sinceMs).toISOString().slice(0, 23).replace('T', ' ');
    const inside = new Set(
      rowsOf('batches')
        .filter((row) => row['service'] === params['service'] && String(row['logged_at']) >= since)
        .map((row) => row['batch_id']),
    );
    const ids = rows
      .filter((row) => String(row['logged_at']) >= since)
      // A column of that name may as well say whose agent it was.
      .filter((row) => !input.split('NOT IN')[0]?.includes('service = ') || row['service'] === params['service'])
      .map((row) => row['batch_id']);
    return [...new Set(ids)].filter((id) => !inside.has(id)).map((batch_id) => ({ batch_id }));
  };
  const runningInserts: Answer = (_rows, { prefix, service }) => {
    const found = [...running.values()].filter(
      (token) => token.startsWith(String(prefix)) && token.includes(String(service)),
    );
    return [{ running: String(found.length) }];
  };
  const shapes: readonly (readonly [RegExp, Answer])[] = [
    [/SELECT count\(\) AS batches, max\(end\) AS end, .* FROM (?<table>batches)/s, manifestEnd],
    [/SELECT DISTINCT batch_id FROM (?<table>\w+) WHERE logged_at >= .* NOT IN/s, outsideManifest],
    [/^SELECT (.*) AS id FROM (?<table>\w+)\s+WHERE batch_id = .* AND logged_at <= /s, missingRows],
    [/SELECT run_key, max\(as_of\) AS as_of .* FROM (?<table>run_state)\s.* as_of <= {first:UInt64}/s, newestStates],
    [/SELECT run_key, state FROM (?<table>run_state)\s.*LIMIT 1 BY run_key/s, statesAt],
    [/^SELECT state FROM (?<table>run_state) WHERE .* run_key = {key:String} AND batch_id = /, windowOf],
    [
      /SELECT step_id, max\(spans\.log_offset\) AS log_offset FROM (?<table>spans)\s.* GROUP BY step_id ORDER BY/s,
      seenSteps,
    ],
    [/^SELECT count\(\) AS running FROM system\.(?<table>processes)\s.*insert_deduplication_token/s, runningInserts],
    [/^SELECT variant FROM (?<table>\w+) WHERE batch_id = {batch_id:String} LIMIT 1$/, variantOf],
  ];
  return {
    rows: rowsOf,
    landed: tableOf,
    land: (table, rows, token, isLanding = () => true) => {
      for (const [block, held] of blocksOf(rows))
        if (isLanding(block) && isNew(table, `${token} ${block}`))
          tableOf(table).push(...held.map((row) => ({ row, token })));
    },
    swallow: (table, rows, token) => {
      for (const block of blocksOf(rows).keys()) isNew(table, `${token} ${block}`);
    },
    begin: (token) => {
      const insert = Symbol(token);
      running.set(insert, token);
      return () => void running.delete(insert);
    },
    answer: (sql, params) => {
      for (const [shape, answer] of shapes) {
        const match = shape.exec(sql);
        if (match !== null) return answer(rowsOf(match.groups?.['table'] ?? ''), params, match);
      }
      throw new Error(`the simulated store does not know this query:\n${sql}`);
    },
  };
};
