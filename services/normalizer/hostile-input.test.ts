import { describe, expect, test } from 'vitest';
import {
  attributeList,
  normalize,
  recordOf,
  rowsOf,
  span,
  spanRequest,
  stepsOf,
  textOfOutput,
} from './batch-fixture.ts';

const LLM = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-5' };
const rowOf = (spans: readonly object[]) => rowsOf(normalize([recordOf(spanRequest(spans))]), 'spans')[0] ?? {};
const flagsOf = (row: Readonly<Record<string, unknown>>) => row['flags'] as readonly string[];

describe('hostile input', () => {
  test('10,000 attributes: 512 stay, the rest is counted', () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key.${i}`, i]));
    const row = rowOf([span({ ...many })]);
    expect(Object.keys(row['attributes'] as object)).toHaveLength(513);
    expect(row['attributes']).toMatchObject({ 'tacho.attributes_dropped': String(10_000 - 512) });
    expect(flagsOf(row)).toContain('attributes_dropped');
  });

  test('keys such as __proto__ and constructor are keys', () => {
    const batch = normalize([
      recordOf(
        spanRequest([
          span(
            {},
            {
              attributes: [
                ...attributeList({ constructor: 'a', toString: 'b', 'gen_ai.operation.name': 'execute_tool' }),
                { key: '__proto__', value: { stringValue: 'c' } },
                { key: 'gen_ai.tool.call.arguments', value: { stringValue: '{"__proto__":{"x":1},"y":2}' } },
                { key: 'metadata.__proto__', value: { stringValue: 'd' } },
              ],
            },
          ),
        ]),
      ),
    ]);
    const [row = {}] = rowsOf(batch, 'spans');
    expect(JSON.stringify(row['attributes'])).toContain('"__proto__":"c"');
    expect(row['attributes']).toMatchObject({ constructor: 'a', toString: 'b' });
    expect(stepsOf(batch)[0]?.tool_arguments).toBe('{"__proto__":{"x":1},"y":2}');
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('a value nested 60 deep and a JSON text nested 100,000 deep are taken', () => {
    let value: object = { stringValue: 'bottom' };
    for (let depth = 0; depth < 60; depth++) value = { arrayValue: { values: [value] } };
    const deepText = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const batch = normalize([
      recordOf(
        spanRequest([
          span(
            {},
            {
              attributes: [
                { key: 'deep', value },
                { key: 'gen_ai.input.messages', value: { stringValue: deepText } },
                { key: 'gen_ai.operation.name', value: { stringValue: 'chat' } },
              ],
            },
          ),
        ]),
      ),
    ]);
    expect(rowsOf(batch, 'spans')).toHaveLength(1);
    expect(batch.output.deadLetters).toEqual([]);
  });

  test('a long attribute is cut with length and hash, its whole text kept as content', () => {
    const batch = normalize([
      recordOf(spanRequest([span({ 'x.blob': 'a'.repeat(20_000), 'x.prose': 'a b '.repeat(5_000) })])),
    ]);
    const [row = {}] = rowsOf(batch, 'spans');
    const attributes = row['attributes'] as Record<string, string>;
    expect(attributes['x.blob']).toHaveLength(8192);
    expect(attributes['tacho.cut.x.blob']).toMatch(/^len=20000,hash=[0-9a-f]{32}$/);
    expect(attributes['x.prose']).toBe('');
    expect(rowsOf(batch, 'span_content').map((part) => [part['role'], part['content_bytes'], part['is_cut']])).toEqual([
      ['x.blob', 20_000, false],
      ['x.prose', 20_000, false],
    ]);
  });

  test('content beyond 1 MiB is cut at a whole character', () => {
    const batch = normalize([
      recordOf(spanRequest([span({ ...LLM, 'gen_ai.system_instructions': '€'.repeat(400_000) })])),
    ]);
    const [part = {}] = rowsOf(batch, 'span_content');
    expect(part).toMatchObject({ content_bytes: 1_200_000, is_cut: true });
    expect(Buffer.byteLength(part['content'] as string)).toBeLessThanOrEqual(1024 * 1024);
    expect((part['content'] as string).endsWith('€')).toBe(true);
  });

  test('half of a surrogate pair becomes the replacement character', () => {
    const batch = normalize([recordOf(spanRequest([span({ ...LLM, 'user.id': '\ud800x', 'a.b': '\udfff' })]))]);
    expect(textOfOutput(batch.output)).not.toMatch(/\\ud[89a-f]/);
    expect(stepsOf(batch)[0]?.user_id).toBe('�x');
  });

  test.each([
    ['text', 'abc'],
    ['a negative number', -5],
    ['a fraction', 1.5],
    ['an empty text', ''],
    ['a number beyond 2^53', '99999999999999999999'],
    ['more than a step can use', 1_000_000_000_001],
    ['the largest whole number', Number.MAX_SAFE_INTEGER],
    ['a text of fifteen nines', '999999999999999'],
  ])('a token count that is %s is not said', (_name, count) => {
    const [step] = stepsOf(normalize([recordOf(spanRequest([span({ ...LLM, 'gen_ai.usage.input_tokens': count })]))]));
    expect(step?.call?.input_tokens).toBeNull();
  });

  test.each([Number.MAX_SAFE_INTEGER, 3_000_000_000])('an attempt numbered %d is not said', (attempt) => {
    const batch = normalize([recordOf(spanRequest([span({ ...LLM, attempt, 'http.request.resend_count': attempt })]))]);
    expect(rowsOf(batch, 'spans')[0]).toMatchObject({ attempt: null });
    expect(stepsOf(batch)[0]?.attempt).toBeNull();
  });
});
