import { describe, expect, test } from 'vitest';
import { TIME_SHIFT_HEADER } from '../../schemas/tenant.ts';
import { PART_HEADER } from '../../schemas/topics.ts';
import { freshOptions, logRequest, normalize, recordOf, rowsOf, span, spanRequest } from './batch-fixture.ts';
import type { NormalizeOptions } from './otlp-step.ts';

describe('records of the log', () => {
  test('a record that a bug of ours trips over is dead-lettered whole; the ones beside it are kept', () => {
    const { redactor, mode } = freshOptions();
    const brittle: NormalizeOptions = {
      mode,
      redactor: {
        ...redactor,
        clean: (text) => {
          if (text.includes('trip')) throw new RangeError('tripped');
          return redactor.clean(text);
        },
      },
    };
    const bytes = spanRequest([
      span({ k: 'fine' }, { name: 'good' }),
      span({ k: 'trip' }, { name: 'bad', spanId: '00000000000000aa' }),
    ]);
    const batch = normalize([recordOf(bytes)], 'spans', brittle);
    expect(rowsOf(batch, 'spans').map((row) => row['name'])).toEqual(['good']);
    expect(rowsOf(batch, 'dead_letters')).toMatchObject([{ reason: 'internal_error', log_index: 1 }]);
    expect(batch.output.deadLetters).toHaveLength(1);
    expect(Buffer.from(batch.output.deadLetters[0]?.value ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  test('equal log records of two parts of one request stay two', () => {
    const bytes = logRequest([{ timeUnixNano: '1795300000000000000', body: { stringValue: 'same' } }]);
    const parts = normalize([recordOf(bytes, 0), recordOf(bytes, 1, { [PART_HEADER]: '1' })], 'logs');
    expect(rowsOf(parts, 'spans')).toHaveLength(2);
    const retried = normalize([recordOf(bytes, 0), recordOf(bytes, 1)], 'logs');
    expect(rowsOf(retried, 'spans')).toHaveLength(1);
  });

  test('a time shift moves times and keeps identities; nonsense in its header is no shift', () => {
    const bytes = spanRequest([span({})]);
    const rowWith = (shift: string) =>
      rowsOf(normalize([recordOf(bytes, 0, { [TIME_SHIFT_HEADER]: shift })]), 'spans')[0];
    const plain = rowWith('');
    expect(rowWith('3600000')?.['step_id']).toBe(plain?.['step_id']);
    expect(rowWith('3600000')?.['ts']).not.toBe(plain?.['ts']);
    for (const nonsense of ['1e9', 'NaN', '99999999999999999', '-', '1 '])
      expect(rowWith(nonsense)?.['ts']).toBe(plain?.['ts']);
  });
});
