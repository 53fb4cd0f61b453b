import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttributeList } from './attribute-list.ts';
import { KeyQuestion, KeyShape } from './key-shape.ts';

const listOf = (entries: readonly (readonly [string, number])[]): AttributeList => {
  const list = new AttributeList();
  for (const [key, value] of entries) list.set(key, value);
  return list;
};

const keys = fc.oneof(fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '', 'é', 'Ã©'), fc.string());
const entries = fc.array(fc.tuple(keys, fc.nat()), { maxLength: 400 });

test('a list is the Map of its entries, whatever keys come and however many', () => {
  fc.assert(
    fc.property(entries, (pairs) => {
      const list = listOf(pairs);
      const map = new Map(pairs);
      expect([...list]).toEqual([...map]);
      expect(list.size).toBe(map.size);
      for (const key of [...map.keys(), 'absent']) {
        expect(list.get(key)).toBe(map.get(key));
        expect(list.has(key)).toBe(map.has(key));
      }
    }),
  );
});

test('a list of thousands of keys is a Map all the same', () => {
  const pairs = Array.from({ length: 5_000 }, (_, at) => [`key.${at % 4_000}`, at] as const);
  expect([...listOf(pairs)]).toEqual([...new Map(pairs)]);
});

test('a question is answered once for all lists with the same keys, and places lead to each list its values', () => {
  let asked = 0;
  const question = new KeyQuestion((_keys, placeOf) => {
    asked += 1;
    return [placeOf('b'), placeOf('x')];
  });
  const lists = [1, 2, 3].map((value) =>
    listOf([
      ['a', 0],
      ['b', value],
    ]),
  );
  expect(lists.map((list) => list.at(list.ask(question)[0] ?? -1))).toEqual([1, 2, 3]);
  expect(asked).toBe(1);
  expect(listOf([['b', 7]]).ask(question)).toEqual([0, -1]);
  expect(asked).toBe(2);
});

test('a key is known by its bytes only when they are the same text', () => {
  const root = new KeyShape();
  const ascii = root.with('gen_ai.system');
  root.with('Ã©');
  const at = (text: string) => {
    const bytes = Buffer.from(`..${text}..`);
    return root.nearBy(bytes, 2, bytes.length - 2);
  };
  expect(at('gen_ai.system')).toBe(ascii);
  expect(at('gen_ai.systen')).toBeNull();
  expect(at('gen_ai.syste')).toBeNull();
  // Its UTF-8 has the bytes that the characters of the other key have as codes.
  expect(at('é')).toBeNull();
});

test('keys without end are forgotten, and lists made before still hold theirs', () => {
  const early = listOf([['early', 1]]);
  for (let at = 0; at < 50_000; at += 1) listOf([[`made.up.${at}`, at]]);
  expect([...early]).toEqual([['early', 1]]);
  expect([...listOf([['early', 2]])]).toEqual([['early', 2]]);
});
