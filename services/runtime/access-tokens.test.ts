import { describe, expect, test } from 'vitest';
import type { AccessRequest } from './access.ts';
import { assertBindAllowed, createAccess, hashToken, isLoopbackHost, type TokenEntry } from './access-tokens.ts';

const TOKENS: readonly TokenEntry[] = [
  { name: 'collector', sha256: hashToken('t1'), tenant: 'acme', vantage: 'gateway', grants: ['ingest'] },
  {
    name: 'ops',
    sha256: hashToken('t2').toUpperCase(),
    tenant: null,
    vantage: 'operator',
    grants: ['read', 'operate'],
  },
];
const access = createAccess({ tokens: TOKENS, requireTokens: false, allowedHosts: ['Tacho.example'] });
const request = (headers: Record<string, string>, remoteAddress = '127.0.0.1'): AccessRequest => ({
  headers: { host: 'localhost:4318', ...headers },
  remoteAddress,
  needs: 'ingest',
});
const decide = (headers: Record<string, string>, remoteAddress?: string) =>
  access.decide(request(headers, remoteAddress));

describe('a caller without a token', () => {
  test.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])(
    'on this machine (%s) may do all, as agent',
    (address) => {
      const decision = decide({}, address);
      expect(decision).toMatchObject({ kind: 'caller', caller: { tenant: null, vantage: 'agent' } });
    },
  );

  test.each(['10.0.0.8', '::ffff:10.0.0.8', '', '1127.0.0.1'])('from elsewhere (%s) is denied', (address) => {
    expect(decide({}, address)).toMatchObject({ kind: 'denied', status: 401 });
  });

  test('is denied when a proxy on this machine speaks for it', () => {
    expect(decide({ 'x-forwarded-for': '203.0.113.9' })).toMatchObject({ kind: 'denied', status: 401 });
    expect(decide({ forwarded: 'for=203.0.113.9' })).toMatchObject({ kind: 'denied', status: 401 });
  });

  test('is denied on this machine too when tokens are required', () => {
    const strict = createAccess({ tokens: TOKENS, requireTokens: true, allowedHosts: [] });
    expect(strict.decide(request({}))).toMatchObject({ kind: 'denied', status: 401 });
  });
});

describe('a token', () => {
  test('says who its bearer is, from anywhere', () => {
    const decision = decide({ authorization: 'Bearer t1', host: 'tacho.example' }, '10.0.0.8');
    expect(decision).toMatchObject({
      kind: 'caller',
      caller: { actor: 'collector', tenant: 'acme', vantage: 'gateway' },
    });
  });

  test.each(['Bearer wrong', 'Bearer', 'Basic dDE6', 't1'])(
    'that is not known (%s) is denied, on loopback too',
    (value) => {
      expect(decide({ authorization: value })).toMatchObject({ kind: 'denied', status: 401 });
    },
  );

  test('is known whatever the case of its hash in the file, and grants no more than it lists', () => {
    expect(decide({ authorization: 'bearer t2' })).toMatchObject({ kind: 'denied', status: 403 });
    const reading = { ...request({ authorization: 'Bearer t2' }), needs: 'read' as const };
    expect(access.decide(reading)).toMatchObject({ kind: 'caller', caller: { actor: 'ops' } });
  });
});

describe('the Host header', () => {
  test.each(['localhost', 'localhost:4318', '127.0.0.1:4318', '[::1]:4318', 'TACHO.example:80'])(
    '%s is ours',
    (host) => {
      expect(decide({ host }).kind).toBe('caller');
    },
  );

  test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '', 'a:b:c'])(
    '%s is not: a foreign name that resolves to us',
    (host) => {
      expect(decide({ host })).toMatchObject({ kind: 'denied', status: 403 });
    },
  );
});

describe('the Origin header', () => {
  test.each(['http://localhost:4318', 'https://tacho.example'])('%s may call', (origin) => {
    expect(decide({ origin }).kind).toBe('caller');
  });

  test.each(['http://localhost:3000', 'https://evil.example', 'null', 'file://', 'http://localhost:4318.evil.example'])(
    '%s may not',
    (origin) => {
      expect(decide({ origin })).toMatchObject({ kind: 'denied', status: 403 });
    },
  );
});

test('only loopback may be bound without tokens', () => {
  expect(assertBindAllowed('receiver.host', '127.0.0.1', [])).toBeNull();
  expect(assertBindAllowed('receiver.host', 'localhost', [])).toBeNull();
  expect(assertBindAllowed('receiver.host', '0.0.0.0', [])).toMatchObject({ key: 'receiver.host', value: '0.0.0.0' });
  expect(assertBindAllowed('receiver.host', '::', [])).not.toBeNull();
  expect(assertBindAllowed('receiver.host', '0.0.0.0', TOKENS)).toBeNull();
  expect(isLoopbackHost('[::1]')).toBe(true);
});
