import { expect, test } from 'vitest';
import { TransportError } from '../errors.ts';
import { createMetrics } from '../metrics.ts';
import type { EventLog, Logger, Store } from '../ports.ts';
import { batchIdOf } from './intent.ts';
import { type LandDeps, landBatch } from './land.ts';
import type { BatchOutput, RecordBatch } from './types.ts';

const PLACE = { logId: 'log', topic: 'agent_steps', partition: 0, first: 4, end: 5 };
const batch: RecordBatch = {
  ...PLACE,
  batchId: batchIdOf(PLACE.logId, PLACE.topic, PLACE.partition, PLACE.first, PLACE.end),
  records: [{ offset: 4, timestampMs: 1_000, key: null, value: new Uint8Array([1]), headers: {} }],
  variant: '',
};
const output: BatchOutput = {
  tables: [{ table: 'run_state', identity: ['run_key'], rows: [{ run_key: 'a', batch_id: batch.batchId }] }],
  produce: [],
  deadLetters: [],
  counts: { duplicates: 0, filtered: 0, empty: 0, hours: [] },
};

test('an owner that was replaced while its rows were confirmed writes no manifest row over them', async () => {
  const acts: string[] = [];
  const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
  const store = {
    insert: async (table: string) => {
      // Confirmed by the token of the next owner, whose insert died with the server.
      acts.push(table);
    },
  } as unknown as Store;
  const deps: LandDeps = {
    ...{ store, log: {} as EventLog, logger: quiet, metrics: createMetrics() },
    clock: { nowMs: () => 1_000, sleep: async () => {} },
  };
  const intend = async (): Promise<void> => {
    acts.push('intent');
    throw new TransportError('FENCED', 'the epoch is over', { retryable: false });
  };
  const { signal } = new AbortController();
  await expect(landBatch(deps, 'ledger', batch, output, { isReplay: false, intend, signal })).rejects.toThrow('epoch');
  expect(acts).toEqual(['run_state', 'intent']);
});
