import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ANY_HINT, createRedactor, redactText } from './redact.ts';
import { mayHint } from './redact-pairs.ts';

const classesOf = (text: string) => redactText(text, true).classes;

describe('redaction', () => {
  test.each([
    ['card 4111 1111 1111 1111.', 'card [redacted:card_number].', ['card_number']],
    ['{"card":"4111111111111111"}', '{"card":"[redacted:card_number]"}', ['card_number']],
    ['"api_key_used":"AKIAIOSFODNN7EXAMPLE"', '"api_key_used":"[redacted:aws_key]"', ['aws_key']],
    [`key sk-${'a1'.repeat(16)} here`, 'key [redacted:api_key] here', ['api_key']],
    [`ghp_${'A'.repeat(36)}`, '[redacted:api_key]', ['api_key']],
    ['Authorization: Bearer abcdefghijklmnop', 'Authorization: Bearer [redacted:bearer_token]', ['bearer_token']],
    ['postgres://app:s3cret@db/x', 'postgres://app:[redacted:url_password]@db/x', ['url_password']],
    [`eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.${'x'.repeat(20)}`, '[redacted:jwt]', ['jwt']],
    [
      `-----BEGIN RSA PRIVATE KEY-----\nMIIE${'A'.repeat(100)}\n-----END RSA PRIVATE KEY----- after`,
      '[redacted:private_key] after',
      ['private_key'],
    ],
    ['"-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----"', '"[redacted:private_key]"', ['private_key']],
  ])('takes the secret out of %s', (text, stored, classes) => {
    expect(redactText(text, true)).toEqual({ text: stored, classes });
  });

  test('names personal data and keeps it', () => {
    expect(redactText('write to jane.doe@example.com', true)).toEqual({
      text: 'write to jane.doe@example.com',
      classes: ['email'],
    });
    expect(classesOf('DE89 3704 0044 0532 0130 00')).toEqual(['iban']);
  });

  test('only names what it finds when redaction is off', () => {
    expect(redactText('4111 1111 1111 1111', false)).toEqual({ text: '4111 1111 1111 1111', classes: ['card_number'] });
  });

  test.each([
    '[0.4201670368266409,0.9906073556948704,0.6502878401571168]',
    '1795228839342000000',
    'order 4111 1111 1111 1112',
    'AKIA is a prefix',
    'sk-short',
    'a@b',
    'trace 4bf92f3577b34da6a3ce929d0e0e4736',
  ])('leaves %s alone', (text) => {
    expect(redactText(text, true)).toEqual({ text, classes: [] });
  });

  test.each([
    ['digits', '4'.repeat(300_000)],
    ['spaced digits', '4 '.repeat(150_000)],
    ['letters before no @', 'a'.repeat(300_000)],
    ['at signs', 'a@'.repeat(150_000)],
    ['dots after @', `a@${'b.'.repeat(150_000)}`],
    ['token starts', 'eyJ'.repeat(100_000)],
    ['key heads', '-----BEGIN PRIVATE KEY-----'.repeat(10_000)],
    ['urls', 'http://a:'.repeat(30_000)],
    ['key starts', 'sk-'.repeat(100_000)],
    ['capitals', 'AB12'.repeat(70_000)],
  ])('stays linear on hostile text: %s', (_name, text) => {
    const start = process.hrtime.bigint();
    redactText(text, true);
    expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(3_000);
  });

  test('remembers without changing a result', () => {
    const redactor = createRedactor(true);
    const text = `${'x'.repeat(500)} AKIAIOSFODNN7EXAMPLE`;
    expect(redactor.redact(text)).toEqual(redactText(text, true));
    expect(redactor.redact(text)).toEqual(redactText(text, true));
    expect(redactor.redact('y'.repeat(500))).toEqual({ text: 'y'.repeat(500), classes: [] });
    expect(redactor.redact('y'.repeat(500))).toEqual({ text: 'y'.repeat(500), classes: [] });
  });
});

describe('the look before the expressions', () => {
  const pieces = [
    '-----BEGIN RSA PRIVATE KEY-----',
    'AKIA',
    'ASIA',
    'eyJ',
    'sk-',
    'sk_',
    'rk_',
    'ghp_',
    'gho_',
    'ghu_',
    'ghs_',
    'ghr_',
    'github_pat_',
    'glpat-',
    'xoxa-',
    'xoxb-',
    'xoxe-',
    'xoxo-',
    'xoxp-',
    'xoxr-',
    'xoxs-',
    'AIza',
    'hf_',
    'npm_',
    'pypi-',
    'SG.',
    'dckr_pat_',
    'shpat_',
    'gsk_',
    'r8_',
    'bearer',
    'Bearer',
    'BEARER',
    'bEaReR',
    'basic',
    'Basic',
    'BASIC',
    '://u:p@',
    '@',
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    '4111111111111',
    'DE89',
    'x',
    ' ',
    '-',
    '_',
    '9',
    'é',
    '𝒳',
    '{"a":"',
    '\n',
  ];

  test('never says that there is nothing where a hint is', () => {
    for (const piece of pieces) if (ANY_HINT.test(piece)) expect([piece, mayHint(piece)]).toEqual([piece, true]);
    const texts = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 6 })), { maxLength: 12 });
    fc.assert(
      fc.property(texts, (parts) => {
        const text = parts.join('');
        return mayHint(text) || !ANY_HINT.test(text);
      }),
      { numRuns: 3_000 },
    );
  });

  test('spares ordinary values the expressions', () => {
    const ordinary = ['chat', 'execute_tool search', '127.0.0.1', 'fe2c01', 'application/json', 'What is the weather?'];
    expect(ordinary.filter(mayHint)).toEqual([]);
  });
});
