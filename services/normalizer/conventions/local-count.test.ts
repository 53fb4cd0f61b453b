import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isLocalCount, leastTokens } from './local-count.ts';

const text = (direction: 'input' | 'output', role: string, content: string) =>
  ({ direction, role, partKind: 'text', content }) as const;

describe('the fewest tokens of a text', () => {
  // Counts of tiktoken (o200k_base) beside them.
  test.each([
    ['The fraud check failed, trying once more.', 9],
    ['no usage asked [[script:simple]]', 8],
    ['The order A-1001 was shipped on Monday.', 11],
    ['Hello!', 2],
    ["I don't know, we can't say.", 9],
    ['', 0],
  ])('%s: never more than a tokenizer makes of it', (content, tokens) => {
    expect(leastTokens(content)).toBeLessThanOrEqual(tokens);
    expect(leastTokens(content)).toBeGreaterThanOrEqual(Math.floor(tokens * 0.7));
  });

  test('no text has more than it has characters, and two have no fewer than one', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        expect(leastTokens(a)).toBeLessThanOrEqual(a.length);
        expect(leastTokens(`${a} ${b}`)).toBeGreaterThanOrEqual(Math.max(leastTokens(a), leastTokens(b)));
      }),
    );
  });
});

describe('a local count', () => {
  test('leaves no room for what opens and closes a message', () => {
    const content = [text('input', 'user', 'one two three four')];
    expect(isLocalCount(content, { input: 5 })).toBe(true);
    expect(isLocalCount(content, { input: 6 })).toBe(false);
  });

  test('leaves no room for the calls of tools', () => {
    const call = { direction: 'output', role: 'assistant', partKind: 'tool_call' } as const;
    const content = [
      text('output', 'assistant', 'one two'),
      { ...call, content: '{"arguments":{"id":"a"},"id":"c","name":"f"}' },
    ];
    expect(isLocalCount(content, { output: 2 })).toBe(true);
    expect(isLocalCount(content, { output: 20 })).toBe(false);
  });

  test('is not looked for without figures, nor beyond a bounded length', () => {
    expect(isLocalCount([text('input', 'user', 'one two three')], {})).toBe(false);
    expect(isLocalCount([text('input', 'user', 'one '.repeat(1_000_000))], { input: 500_000 })).toBe(false);
  });
});
