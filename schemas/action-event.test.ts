import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ACTION_LONG_MAX, actionKey, actionRunKey, parseActionEvent } from './action-event.ts';
import { decodeActionEvent, encodeActionEvent, SCHEMA_ID_HEADER } from './action-event-codec.ts';
import type { Outcome } from './outcome.ts';

const unwrap = <T>(outcome: Outcome<T>): T => {
  if (outcome.kind === 'refused') throw new Error(outcome.detail);
  return outcome.value;
};
const POSTED = {
  ts: 1_795_225_600_000_000,
  kind: 'egress',
  name: 'POST api.example.com',
  service: 'shop',
  session_id: 's-1',
  egress: { host: 'api.example.com', port: 443, bytes_out: 1200, zone: 'external' },
  labels: { team: 'payments' },
};

describe('an action event', () => {
  test('in JSON is filled up with what was not told', () => {
    const event = unwrap(parseActionEvent(POSTED));
    expect(event).toMatchObject({ tenant_id: 'default', vantage: 'agent', status: 'unset', trace_id: '', data: null });
    expect(event.egress).toMatchObject({ host: 'api.example.com', bytes_in: null });
    expect(event.event_id).toMatch(/^[0-9a-f]{32}$/);
  });

  test('sent again is the same event; another one is not', () => {
    expect(parseActionEvent({ ...POSTED, labels: { team: 'payments' } })).toEqual(parseActionEvent(POSTED));
    const other = unwrap(parseActionEvent({ ...POSTED, name: 'other' }));
    expect(other.event_id).not.toBe(unwrap(parseActionEvent(POSTED)).event_id);
  });

  test.each([
    ['ts', (value: number) => ({ ...POSTED, ts: value })],
    ['egress.bytes_out', (value: number) => ({ ...POSTED, egress: { host: 'h', bytes_out: value } })],
    ['data.rows', (value: number) => ({ ...POSTED, data: { namespace: '', name: 'd', rows: value } })],
  ])('with %s beyond what Avro carries exactly is refused by name, the largest passes unchanged', (path, withValue) => {
    const largest = unwrap(parseActionEvent(withValue(ACTION_LONG_MAX)));
    expect(unwrap(decodeActionEvent(encodeActionEvent(largest)))).toEqual(largest);
    for (const beyond of [ACTION_LONG_MAX + 1, Number.MAX_SAFE_INTEGER])
      expect(parseActionEvent(withValue(beyond))).toMatchObject({
        kind: 'refused',
        detail: expect.stringContaining(path),
      });
  });

  test('cannot claim a vantage or tenant its sender does not have', () => {
    const claimed = { ...POSTED, vantage: 'gateway', tenant_id: 'other' };
    expect(unwrap(parseActionEvent(claimed, { tenant_id: 'acme', vantage: 'agent' }))).toMatchObject({
      tenant_id: 'acme',
      vantage: 'agent',
    });
  });

  test.each<[string, object, string]>([
    ['an unknown field', { ...POSTED, hosts: 1 }, 'hosts: unknown field'],
    ['an unknown field inside', { ...POSTED, egress: { host: 'a', prot: 1 } }, 'egress.prot: unknown field'],
    ['a missing time', { ...POSTED, ts: undefined }, 'ts: '],
    ['a kind that is none', { ...POSTED, kind: 'party' }, 'kind: '],
    ['a trace id in upper case', { ...POSTED, trace_id: 'A'.repeat(32) }, 'trace_id: '],
    ['a tenant with a bar', { ...POSTED, tenant_id: 'a|b' }, 'tenant_id: '],
    [
      'too many labels',
      { ...POSTED, labels: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`l${i}`, ''])) },
      'labels: ',
    ],
  ])('with %s is refused with its path', (_, json, detail) => {
    expect(parseActionEvent(json)).toMatchObject({ kind: 'refused', detail: expect.stringContaining(detail) });
  });

  test('belongs to its trace, else to the run it names, else to its conversation', () => {
    const trace = 'a'.repeat(32);
    const run = 'b'.repeat(32);
    expect(actionKey(unwrap(parseActionEvent({ ...POSTED, trace_id: trace, run_id: run })))).toBe(`default|${trace}`);
    expect(actionRunKey(unwrap(parseActionEvent({ ...POSTED, run_id: run })))).toBe(run);
    expect(actionRunKey(unwrap(parseActionEvent(POSTED)))).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('an action event in Avro', () => {
  const event = unwrap(parseActionEvent({ ...POSTED, data: { namespace: 'pg', name: 'orders', labels: ['pii'] } }));
  const bytes = encodeActionEvent(event);

  test('reads back as it was written, in all three framings', () => {
    expect([...bytes.subarray(0, 5)]).toEqual([0, 0, 0, 0, 1]);
    const body = bytes.subarray(5);
    expect(unwrap(decodeActionEvent(bytes))).toEqual(event);
    expect(unwrap(decodeActionEvent(Uint8Array.from([0, 0, 0, 9, 9, ...body])))).toEqual(event);
    expect(unwrap(decodeActionEvent(Uint8Array.from([1, ...new Uint8Array(16), ...body])))).toEqual(event);
    expect(unwrap(decodeActionEvent(body, { [SCHEMA_ID_HEADER]: 'x' }))).toEqual(event);
  });

  test('cut off or damaged anywhere gives an outcome and never throws', () => {
    for (let end = 0; end < bytes.length; end++) expect(decodeActionEvent(bytes.subarray(0, end)).kind).toBe('refused');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const damaged = new Uint8Array(bytes);
        damaged[at] = value;
        expect(['ok', 'refused']).toContain(decodeActionEvent(damaged).kind);
      }),
      { numRuns: 1000 },
    );
  });

  test('that announces four billion labels is refused at once', () => {
    // The two empty maps at the end are one byte each: the last count becomes 2^32.
    const plain = encodeActionEvent({ ...event, labels: {}, attributes: {} });
    const hostile = Uint8Array.from([...plain.subarray(0, -1), 0x80, 0x80, 0x80, 0x80, 0x20]);
    expect(decodeActionEvent(hostile)).toMatchObject({ kind: 'refused', reason: 'malformed_avro' });
  });
});
