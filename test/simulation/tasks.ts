import { ok, refused } from '../../schemas/outcome.ts';
import { createSeenSet, loadSeenSteps } from '../../services/normalizer/seen-set.ts';
import type { OutgoingRecord, QueryParams, Row, Store } from '../../services/runtime/ports.ts';
import {
  DEAD_LETTER_TABLE,
  deadLetterOf,
  deadLetterRow,
  deadLetterTable,
} from '../../services/runtime/stream/dead-letters.ts';
import { createFoldTask, type Fold } from '../../services/runtime/stream/fold-task.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import type { BatchProcessor, StreamTask } from '../../services/runtime/stream/types.ts';

/** Topics and services of the simulated pipeline: as the real one, with steps of a few bytes. */
export const INPUT = 'otlp_spans';
export const STEPS = 'agent_steps';
export const NORMALIZER = 'normalizer';
export const TALLY = 'tally';

/** A record as the sender makes it: `run/step`. Anything else is poison. */
export const recordValue = (run: string, id: string): Uint8Array => Buffer.from(`${run}/${id}`);

const readValue = (value: Uint8Array): { readonly run: string; readonly id: string } | null => {
  const [run, id, ...rest] = Buffer.from(value).toString().split('/');
  return run === undefined || id === undefined || rest.length > 0 ? null : { run, id };
};

const POISON = { index: 0, reason: 'malformed_protobuf', detail: 'simulated' } as const;

/** What a step weighs on its way to the folds: its bytes. */
export type StepEncoder = (run: string, id: string) => Uint8Array;

/** Records → rows of `spans` and steps, once each within the horizon of the normalizer's own seen-set. */
export const createSmallNormalizer = (store: Store, encode: StepEncoder = recordValue): StreamTask => ({
  service: NORMALIZER,
  topics: [INPUT],
  tables: ['spans', DEAD_LETTER_TABLE],
  createProcessor: ({ logId, topic, partition }) => {
    const seen = createSeenSet();
    const place = { logId, topic, partition };
    const processor: BatchProcessor = {
      build: async (batch, signal) => {
        if (seen.next() !== batch.first) seen.load(await loadSeenSteps(store, place, batch.first, signal), batch.first);
        const rows: Row[] = [];
        const produce: OutgoingRecord[] = [];
        const deadLetters: OutgoingRecord[] = [];
        const deadRows: Row[] = [];
        const inBatch = new Set<string>();
        for (const record of batch.records) {
          const read = readValue(record.value);
          if (read === null) {
            deadLetters.push(deadLetterOf(batch, record, 'malformed_protobuf', NORMALIZER));
            deadRows.push(deadLetterRow(batch, record, POISON, NORMALIZER));
          } else if (!seen.has(read.id) && !inBatch.has(read.id)) {
            inBatch.add(read.id);
            const at = { log_id: logId, log_topic: topic, log_partition: partition, log_offset: record.offset };
            const logged_at = utcMillis(record.timestampMs);
            rows.push({ step_id: read.id, run_id: read.run, ...at, batch_id: batch.batchId, logged_at });
            // As the real one: what a fold tells its own run must come to the same partition.
            produce.push({ topic: STEPS, key: `acme|${read.run}`, value: encode(read.run, read.id) });
          }
        }
        const duplicates = batch.records.length - rows.length - deadLetters.length;
        const counts = { duplicates, filtered: 0, empty: 0, hours: [] };
        const tables = [{ table: 'spans', identity: ['step_id'], rows }, deadLetterTable(deadRows)];
        return { tables: tables.filter((table) => table.rows.length > 0), produce, deadLetters, counts };
      },
      landed: (batch, { tables }) => {
        const rows = tables.find(({ table }) => table === 'spans')?.rows ?? [];
        const taken = rows.map((row) => ({ stepId: String(row['step_id']), offset: Number(row['log_offset']) }));
        seen.take(taken, batch.end);
      },
    };
    return processor;
  },
});

interface TallyState {
  readonly seen: readonly string[];
}

/** Which steps of each run were counted, by the variant in force: a row a run and batch, its state the steps seen. */
export const createTally = (store: Store, variant: string): StreamTask => {
  const fold: Fold<{ readonly run: string; readonly id: string }, TallyState> = {
    service: TALLY,
    tables: ['tallies'],
    decode: ({ value }) => {
      const read = readValue(value);
      return read === null ? refused('malformed_avro', 'poison') : ok(read);
    },
    keyOf: ({ run }) => run,
    empty: () => ({ seen: [] }),
    parse: (text) => ({ seen: JSON.parse(text) as readonly string[] }),
    serialise: ({ seen }) => JSON.stringify(seen),
    step: (state, inputs, { batchId, loggedAtMs, variant: inForce }) => {
      const seen = new Set(state.seen);
      const news = [...new Set(inputs.map(({ id }) => id))].filter((id) => !seen.has(id));
      const common = { batch_id: batchId, logged_at: utcMillis(loggedAtMs), variant: inForce };
      // Another variant cuts the same steps into other rows, as another rule set finds other violations.
      const rows =
        inForce === 'by-run'
          ? [{ name: `${inputs[0]?.run}`, steps: news.join(' '), ...common }]
          : news.map((id) => ({ name: id, steps: id, ...common }));
      const tables = news.length === 0 ? [] : [{ table: 'tallies', identity: ['name'], rows }];
      return { state: { seen: [...state.seen, ...news] }, tables, hours: [] };
    },
    variant: {
      current: () => variant,
      ready: async () => {},
      find: async (batchId, signal) => {
        const params: QueryParams = { batch_id: batchId };
        const sql = 'SELECT variant FROM tallies WHERE batch_id = {batch_id:String} LIMIT 1';
        const [row] = await store.query<{ readonly variant: string }>(sql, params, signal);
        return row?.variant ?? '';
      },
    },
  };
  return createFoldTask(fold, [STEPS], { store });
};
