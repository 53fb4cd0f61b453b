import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { KafkaConfig } from 'kafkajs';
import { ConfigError } from '../errors.ts';

/** TLS to the brokers. `ca`, `cert` and `key` are PEM texts or paths of PEM files. */
export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
}

/** What kafkajs hands to Node's `tls.connect`. */
type TlsOptions = NonNullable<Exclude<KafkaConfig['ssl'], boolean>>;

/** Never shows what stands in the file: it may be a key. */
const problem = (name: 'ca' | 'cert' | 'key', reason: unknown, allowed: string): ConfigError => {
  const said = reason instanceof Error ? reason.message.split('\n')[0] : String(reason);
  return new ConfigError([{ key: `kafka.tls_${name}_file`, value: `${said}`, allowed }]);
};

const pem = (tls: KafkaTls, name: 'ca' | 'cert' | 'key'): string | null => {
  const text = tls[name];
  if (!text) return null;
  if (text.includes('-----BEGIN')) return text;
  try {
    const read = readFileSync(text, 'utf8');
    if (read.includes('-----BEGIN')) return read;
  } catch {
    // Neither PEM nor a path: said below, without the text.
  }
  throw problem(name, 'neither PEM text nor a readable PEM file', 'PEM');
};

const check = (name: 'ca' | 'cert' | 'key', allowed: string, parse: () => unknown): void => {
  try {
    parse();
  } catch (error) {
    throw problem(name, error, allowed);
  }
};

/**
 * The options of Node's TLS. Throws ConfigError for what is no certificate or no key, or a key of another certificate:
 * Node itself passes over a broken CA in silence, and kafkajs would retry a broken key as if it could mend itself.
 */
export const tlsOptions = (tls: KafkaTls): TlsOptions => {
  const [ca, cert, key] = [pem(tls, 'ca'), pem(tls, 'cert'), pem(tls, 'key')];
  if (ca !== null) check('ca', 'a certificate in PEM', () => new X509Certificate(ca));
  if (cert !== null) check('cert', 'a certificate in PEM', () => createSecureContext({ cert }));
  if (key !== null) check('key', 'a private key in PEM without a passphrase', () => createSecureContext({ key }));
  const mine = { ...(cert === null ? {} : { cert }), ...(key === null ? {} : { key }) };
  check('key', 'the private key of kafka.tls_cert_file', () => createSecureContext(mine));
  if ((cert === null) !== (key === null)) {
    throw problem(
      cert === null ? 'cert' : 'key',
      'empty',
      'both kafka.tls_cert_file and kafka.tls_key_file, or neither',
    );
  }
  return { rejectUnauthorized: tls.rejectUnauthorized, ...(ca === null ? {} : { ca: [ca] }), ...mine };
};
