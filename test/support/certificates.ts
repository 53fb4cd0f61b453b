/** Certificates for tests, made by openssl: nothing secret, nothing checked in, nothing that expires in the archive. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const openssl = (args: readonly string[]): void => {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
};

const KEY = ['-newkey', 'rsa:2048', '-nodes'] as const;

/** A certificate authority of the test; every answer is PEM text or the path of a PEM file in its folder. */
export interface TestCa {
  readonly certPath: string;
  /** A certificate for a name, valid for 127.0.0.1 and for nothing else; and its key. */
  readonly issue: (name: string) => { readonly cert: string; readonly key: string };
}

/** Makes a certificate authority in `dir`. Throws when openssl is missing or says no. */
export const createTestCa = (dir: string, name: string): TestCa => {
  const [certPath, keyPath] = [join(dir, `${name}.crt`), join(dir, `${name}.key`)];
  openssl(['req', '-x509', ...KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', keyPath, '-out', certPath]);
  return {
    certPath,
    issue: (subject) => {
      const file = (ending: string): string => join(dir, `${name}-${subject}.${ending}`);
      openssl(['req', ...KEY, '-subj', `/CN=${subject}`, '-keyout', file('key'), '-out', file('csr')]);
      writeFileSync(file('ext'), 'subjectAltName=IP:127.0.0.1\n');
      const signer = ['-CA', certPath, '-CAkey', keyPath, '-CAcreateserial', '-days', '2', '-extfile', file('ext')];
      openssl(['x509', '-req', '-in', file('csr'), ...signer, '-out', file('crt')]);
      return { cert: readFileSync(file('crt'), 'utf8'), key: readFileSync(file('key'), 'utf8') };
    },
  };
};
