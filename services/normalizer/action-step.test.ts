import { describe, expect, test } from 'vitest';
import { parseActionEvent } from '../../schemas/action-event.ts';
import { encodeActionEvent } from '../../schemas/action-event-codec.ts';
import { LOGGED_AT_MS, normalize, recordOf, rowsOf, stepsOf } from './batch-fixture.ts';

describe('action events', () => {
  const event = parseActionEvent({
    ts: 1_795_228_839_342_000,
    kind: 'egress',
    name: 'POST api.example.com',
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    service: 'gateway',
    egress: { host: 'api.example.com', bytes_out: 1200 },
    labels: { team: 'a' },
    attributes: { note: 'key AKIAIOSFODNN7EXAMPLE' },
  });
  if (event.kind === 'refused') throw new Error(event.detail);
  const bytes = encodeActionEvent(event.value);

  test('become a row and a step with flat facts', () => {
    const batch = normalize([recordOf(bytes)], 'actions');
    expect(rowsOf(batch, 'spans')).toMatchObject([
      {
        signal: 'action',
        step_kind: 'egress',
        run_id: '0af7651916cd43dd8448eb211c80319c',
        ts: '2026-11-21 02:40:39.342000000',
        service: 'gateway',
        family: 'action-event',
        attributes: { note: 'key [redacted:aws_key]', 'egress.host': 'api.example.com' },
      },
    ]);
    expect(stepsOf(batch)).toMatchObject([
      { facts: { 'egress.host': 'api.example.com', 'egress.bytes_out': '1200' }, labels: { team: 'a' }, call: null },
    ]);
  });

  test('an event sent twice is stored once', () => {
    const batch = normalize([recordOf(bytes, 0), recordOf(bytes, 1)], 'actions');
    expect(batch.output.counts.duplicates).toBe(1);
  });

  test('bytes that are none are dead letters', () => {
    const batch = normalize([recordOf(new Uint8Array([0, 0, 0, 0, 1, 255]))], 'actions');
    expect(rowsOf(batch, 'dead_letters')).toMatchObject([{ reason: 'malformed_avro' }]);
  });

  test('rows carry the log time and the batch', () => {
    const [row] = rowsOf(normalize([recordOf(bytes)], 'actions'), 'spans');
    expect(row).toMatchObject({ batch_id: 'batch-1', logged_at: '2026-11-21 22:26:40.123' });
    expect(LOGGED_AT_MS % 1000).toBe(123);
  });
});
