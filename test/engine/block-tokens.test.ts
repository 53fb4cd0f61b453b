import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Row } from '../../services/runtime/ports.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(() => engine.close());

/** A row of a table that is partitioned by day. */
const rowOf = (run_key: string, day: string): Row => ({
  ...{ service: 'tokens', log_id: 'log', topic: 'agent_steps', partition: 0, run_key, as_of: 1, state: '' },
  ...{ batch_id: 'batch', logged_at: `${day} 12:00:00.000` },
});

test('a token is remembered day by day: what is missing lands under it, and all of it again adds nothing', async () => {
  const { store } = engine;
  const today = new Date().toISOString().slice(0, 10);
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const [first, second] = [[rowOf('a', yesterday), rowOf('b', yesterday)], [rowOf('c', today)]];
  const token = { token: 'log/agent_steps/0/0/1/tokens/run_state' };
  const keys = async () => {
    const rows = await store.query<{ readonly k: string }>(
      "SELECT run_key AS k FROM run_state WHERE service = 'tokens' ORDER BY k",
    );
    return rows.map(({ k }) => k);
  };
  // Half of an insert landed; its next owner inserts the other half; then the insert of the former owner comes late.
  await store.insert('run_state', first, token);
  await store.insert('run_state', second, token);
  expect(await keys()).toEqual(['a', 'b', 'c']);
  await store.insert('run_state', [...first, ...second], token);
  expect(await keys()).toEqual(['a', 'b', 'c']);
});
