import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ControlEvent, controlKey, decodeControlEvent, encodeControlEvent } from './control-event.ts';

const EVENT: ControlEvent = {
  event_id: 'c'.repeat(32),
  ts: 1_795_225_600_000_000,
  tenant_id: 'acme',
  action: 'kill',
  target_kind: 'run',
  target_id: 'a'.repeat(32),
  reason: null,
  requested_by: 'dana',
  expires_at: 1_795_229_200_000_000,
};

describe('a control event', () => {
  test('comes back from its bytes as it was', () => {
    for (const event of [EVENT, { ...EVENT, action: 'pause', target_kind: 'agent', target_id: 'é😀', reason: 'x' }])
      expect(decodeControlEvent(encodeControlEvent(event as ControlEvent))).toEqual({ kind: 'ok', value: event });
  });

  test('that says what no such event can say is refused by the field', () => {
    const refusalOf = (change: object): unknown => {
      const decoded = decodeControlEvent(encodeControlEvent({ ...EVENT, ...change } as ControlEvent));
      return decoded.kind === 'refused' ? decoded.detail.split(' ')[0] : decoded.kind;
    };
    expect(refusalOf({ action: 'explode' })).toBe('action');
    expect(refusalOf({ target_kind: 'universe' })).toBe('target_kind');
    expect(refusalOf({ target_id: 'not a run' })).toBe('target_id');
    expect(refusalOf({ target_kind: 'agent', target_id: '' })).toBe('target_id');
    expect(refusalOf({ tenant_id: 'a|b' })).toBe('tenant_id');
    expect(refusalOf({ event_id: '' })).toBe('event_id');
    expect(refusalOf({ ts: -1 })).toBe('ts');
    expect(refusalOf({ expires_at: -1 })).toBe('expires_at');
  });

  test('is never made of other bytes, and they never throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => decodeControlEvent(bytes).kind === 'refused'));
  });

  test('about a run shares the key of its steps; about an agent, that of other requests about it', () => {
    expect(controlKey(EVENT)).toBe(`acme|${'a'.repeat(32)}`);
    const agent = { ...EVENT, target_kind: 'agent', target_id: 'triage' } as const;
    expect(controlKey(agent)).toBe(controlKey({ ...agent, action: 'resume', event_id: 'other' }));
    expect(controlKey(agent)).not.toBe(controlKey({ ...agent, target_kind: 'workflow' }));
  });
});
