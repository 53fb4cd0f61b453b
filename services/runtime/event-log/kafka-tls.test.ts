import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestCa, type TestCa } from '../../../test/support/certificates.ts';
import { ConfigError } from '../errors.ts';
import { type KafkaTls, tlsOptions } from './kafka-tls.ts';

describe('the TLS options of the Kafka client', () => {
  let dir: string;
  let ca: TestCa;
  let one: { readonly cert: string; readonly key: string };
  let other: { readonly cert: string; readonly key: string };
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tacho-tls-'));
    ca = createTestCa(dir, 'ca');
    one = ca.issue('one');
    other = ca.issue('other');
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const problemOf = (tls: Partial<KafkaTls>) => {
    try {
      tlsOptions({ rejectUnauthorized: true, ...tls });
    } catch (error) {
      if (error instanceof ConfigError) return error.problems[0];
      throw error;
    }
    return null;
  };

  test('take PEM as text and as the path of a file', () => {
    const text = readFileSync(ca.certPath, 'utf8');
    expect(tlsOptions({ ca: ca.certPath, rejectUnauthorized: true })).toEqual({ ca: [text], rejectUnauthorized: true });
    const all = { ca: text, ...one, rejectUnauthorized: true };
    expect(tlsOptions(all)).toEqual({ ...all, ca: [text] });
  });

  test('name the setting when a file holds no certificate, no key, or the key of another certificate', () => {
    const binary = join(dir, 'der');
    writeFileSync(binary, Buffer.from([0x30, 0x82, 0, 1, 0xff]));
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(problemOf({ ca: binary })?.key).toBe('kafka.tls_ca_file');
    expect(problemOf({ ca: join(dir, 'nowhere') })?.key).toBe('kafka.tls_ca_file');
    expect(problemOf({ ca: broken })?.key).toBe('kafka.tls_ca_file');
    expect(problemOf({ ...one, cert: broken })?.key).toBe('kafka.tls_cert_file');
    expect(problemOf({ ...one, key: broken })?.key).toBe('kafka.tls_key_file');
    expect(problemOf({ cert: one.cert, key: other.key })?.key).toBe('kafka.tls_key_file');
    expect(problemOf({ cert: one.cert })?.key).toBe('kafka.tls_key_file');
    expect(problemOf({ key: one.key })?.key).toBe('kafka.tls_cert_file');
  });

  test('never show what a key file holds', () => {
    const secret = 'c2VjcmV0IGtleQ';
    for (const key of [secret, `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`]) {
      expect(JSON.stringify(problemOf({ ...one, key }))).not.toContain(secret);
    }
  });
});
