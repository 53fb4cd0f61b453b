import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './compose.ts';

/** A folder of secrets as deploy/new-secrets.mjs makes it. */
export interface SecretsFolder {
  readonly dir: string;
  /** Tokens by name, as they were printed. */
  readonly tokens: ReadonlyMap<string, string>;
  readonly printed: string;
  readonly remove: () => void;
}

/** Runs the program; throws with what it printed when it ends with another code than 0. */
export const runNewSecrets = (args: readonly string[]): string =>
  execFileSync(process.execPath, [join(root, 'deploy/new-secrets.mjs'), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** A new folder below the temporary one. */
export const newSecretsFolder = (): SecretsFolder => {
  const above = mkdtempSync(join(tmpdir(), 'tacho-secrets-'));
  const dir = join(above, 'secrets');
  const printed = runNewSecrets(['--dir', dir]);
  const tokens = new Map(
    [...printed.matchAll(/^ {2}(\w+) +(tacho_\S+)/gm)].map(([, name = '', token = '']) => [name, token]),
  );
  return { dir, tokens, printed, remove: () => rmSync(above, { recursive: true, force: true }) };
};
