import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packRecords, unpackRecords } from './sqlite-pack.ts';

test('packed records come out as they went in', () => {
  const part = fc.uint8Array({ maxLength: 40 });
  const item = fc.record({
    ...{ a: fc.maxSafeNat(), b: fc.maxSafeNat() },
    ...{ key: fc.option(part), headers: fc.option(part), value: part },
  });
  fc.assert(
    fc.property(fc.array(item), (items) => {
      expect(unpackRecords(packRecords(items))).toEqual(items);
    }),
  );
});
