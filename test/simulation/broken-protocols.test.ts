import { describe, expect, test } from 'vitest';
import { groupOf } from '../../schemas/topics.ts';
import type { Assignment, EventLog, QueryParams, Store } from '../../services/runtime/ports.ts';
import type { Defects } from './process.ts';
import { runSeed } from './run.ts';

/** Seeds within which a defect must show. */
const SEEDS = 200;

/** The first seed that shows a defect, with what it shows; null when none does. */
const shownBy = async (defects: Defects): Promise<string | null> => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { problems } = await runSeed({ seed, defects });
    if (problems[0] !== undefined) return `seed ${seed}: ${problems[0]}`;
  }
  return null;
};

/** A log whose assignments a defect has changed. */
const assigning = (log: EventLog, change: (assignment: Assignment) => Assignment): EventLog => ({
  ...log,
  consume: (options) => log.consume({ ...options, assigned: (assignment) => options.assigned(change(assignment)) }),
});

/** A store whose queries a defect asks or answers otherwise. */
const asking = (
  store: Store,
  ask: (sql: string, params: QueryParams) => Promise<readonly unknown[] | null>,
): Store => ({
  ...store,
  query: async <T>(sql: string, params?: QueryParams, signal?: AbortSignal) =>
    ((await ask(sql, params ?? {})) as readonly T[] | null) ?? store.query<T>(sql, params, signal),
});

const endOf = (metadata: string): number => Number((JSON.parse(metadata) as { readonly end: number }).end);

/** The offset behind a batch is committed before its insert, and nothing tells that it is open. */
const committingEarly = (assignment: Assignment): Assignment => ({
  ...assignment,
  commit: (offset, metadata) => assignment.commit(metadata === '' ? offset : endOf(metadata), ''),
});

const BROKEN: Readonly<Record<string, Defects>> = {
  'the offset behind a batch is committed before its insert, and believed': {
    log: (log) => assigning(log, committingEarly),
    store: (store, world) =>
      asking(store, async (sql, params) => {
        if (!sql.includes('max(end) AS end')) return null;
        const [service, topic, partition] = [params['service'], params['topic'], params['partition']];
        const commits = await world.log.committed(groupOf(String(service)), String(topic));
        const end = commits.get(Number(partition))?.offset;
        const last = '1970-01-02 00:00:00.000';
        return end === undefined ? null : [{ batches: '1', end: String(end), last }];
      }),
  },
  'a batch is replayed with other boundaries': {
    log: (log) =>
      assigning(log, ({ committed, ...assignment }) => ({
        ...assignment,
        committed: committed === null ? null : { ...committed, metadata: '' },
      })),
  },
  'state is loaded as of the end of the batch instead of its first': {
    store: (store) =>
      asking(store, (sql, params) =>
        sql.includes('as_of <= {first:UInt64}') && params['first'] !== Number.MAX_SAFE_INTEGER
          ? store.query(sql, { ...params, first: Number.MAX_SAFE_INTEGER })
          : Promise.resolve(null),
      ),
  },
  'the deduplication token does not tell the log': {
    store: (store) => ({
      ...store,
      insert: (table, rows, options) =>
        store.insert(table, rows, { ...options, token: options.token.slice(options.token.indexOf('/')) }),
    }),
  },
  'with the offsets lost, nobody looks what a former owner is still inserting': {
    store: (store) => asking(store, async (sql) => (sql.includes('system.processes') ? [{ running: '0' }] : null)),
  },
  'a former owner goes on although its commit was refused': {
    log: (log) =>
      assigning(log, (assignment) => ({
        ...assignment,
        signal: new AbortController().signal,
        commit: (offset, metadata) => assignment.commit(offset, metadata).catch(() => {}),
      })),
  },
};

describe('a broken protocol shows in the simulation', () => {
  test.each(Object.entries(BROKEN))(
    '%s',
    async (_name, defects) => {
      expect(await shownBy(defects)).not.toBeNull();
    },
    120_000,
  );
});
