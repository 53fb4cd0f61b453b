import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../ports.ts';
import { HeldRecords } from './look-ahead.ts';

const MIB = 1024 * 1024;
const recordAt = (offset: number, timestampMs: number, bytes = 1): LogRecord => ({
  ...{ offset, timestampMs, key: null, headers: {} },
  value: new Uint8Array(bytes),
});
const offsetsOf = (records: readonly LogRecord[] | undefined): readonly number[] =>
  (records ?? []).map(({ offset }) => offset);

describe('records that are held', () => {
  test('are ripe once the log is more than the hold beyond them, with all that was read as what counts', () => {
    const held = new HeldRecords({ holdMs: 100 });
    held.add([recordAt(5, 1_000), recordAt(6, 1_050), recordAt(7, 1_100)], 0);
    expect(held.ripe(null)).toBeNull();
    held.add([recordAt(8, 1_101)], 0);
    const ripe = held.ripe(null);
    expect(offsetsOf(ripe?.records)).toEqual([5]);
    expect(offsetsOf(ripe?.ahead)).toEqual([6, 7, 8]);
    expect(ripe).toMatchObject({ upto: 9, isEarly: false });
  });

  test('stay until they were taken', () => {
    const held = new HeldRecords({ holdMs: 0 });
    held.add([recordAt(0, 1), recordAt(1, 2), recordAt(2, 3)], 0);
    expect(offsetsOf(held.ripe(null)?.records)).toEqual([0, 1]);
    expect(offsetsOf(held.ripe(null)?.records)).toEqual([0, 1]);
    held.drop(2);
    expect(held.ripe(null)).toBeNull();
    expect(held.isEmpty()).toBe(false);
  });

  test('on a quiet log the clock of the machine decides, with a margin', () => {
    const held = new HeldRecords({ holdMs: 100 });
    held.add([recordAt(0, 1_000)], 1_000);
    expect(held.ripe(1_101)).toBeNull();
    expect(offsetsOf(held.ripe(3_100)?.records)).toEqual([0]);
  });

  test('a time in the future holds nobody up', () => {
    const held = new HeldRecords({ holdMs: 100 });
    held.add([recordAt(0, 9_000_000_000_000)], 1_000);
    expect(offsetsOf(held.ripe(3_100)?.records)).toEqual([0]);
  });

  test('are decided early, oldest first, when more is held than memory is given; and it says so', () => {
    const held = new HeldRecords({ holdMs: 1_000_000 });
    held.add(
      Array.from({ length: 65 }, (_, at) => recordAt(at, 1_000 + at, MIB)),
      0,
    );
    let taken = 0;
    for (let ripe = held.ripe(null); ripe !== null; ripe = held.ripe(null)) {
      expect(ripe.isEarly).toBe(true);
      expect(ripe.records.length).toBeLessThanOrEqual(8);
      expect(ripe.upto).toBe(65);
      taken += ripe.records.length;
      held.drop(ripe.records.length);
    }
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(40);
  });
});
