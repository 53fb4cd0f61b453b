import { expect, test } from 'vitest';
import { rememberTexts } from './text-memory.ts';

const LIMITS = { charsMin: 4, charsMax: 100, entriesMax: 3, totalCharsMax: 200 };

const counted = () => {
  const reads: string[] = [];
  const memory = rememberTexts((text) => {
    reads.push(text);
    return { upper: text.toUpperCase() };
  }, LIMITS);
  return { reads, memory };
};

test('an equal text is read once, and gives the very same result', () => {
  const { reads, memory } = counted();
  const first = memory('some text');
  expect(memory(`some ${'text'}`)).toBe(first);
  expect(first).toEqual({ upper: 'SOME TEXT' });
  expect(reads).toEqual(['some text']);
});

test('texts too short or too long are read each time and never kept', () => {
  const { reads, memory } = counted();
  for (const text of ['abc', 'abc', 'x'.repeat(101), 'x'.repeat(101)]) memory(text);
  expect(reads).toHaveLength(4);
});

test('more texts or characters than it may hold are forgotten', () => {
  const { reads, memory } = counted();
  for (const text of ['aaaa', 'bbbb', 'cccc', 'dddd']) memory(text);
  memory('aaaa');
  expect(reads).toEqual(['aaaa', 'bbbb', 'cccc', 'dddd', 'aaaa']);
  const long = counted();
  for (const letter of ['a', 'b', 'c', 'a']) long.memory(letter.repeat(90));
  expect(long.reads).toHaveLength(4);
});
