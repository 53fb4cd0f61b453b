import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Files } from './generate.ts';

/** Readable by the owner alone: contact points hold the addresses of sinks, which are secrets. */
const SECRET_MODE = 0o600;

/** Writes the files below a folder, making folders on the way. Files it does not know stay. Gives the paths written. */
export const writeFiles = (folder: string, files: Files): readonly string[] =>
  [...files].map(([path, text]) => {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    if (!isSecret(path, text)) {
      writeFileSync(target, text);
      return target;
    }
    // A mode is for new files only: an older one is closed to others before the secret is in it.
    if (existsSync(target)) chmodSync(target, SECRET_MODE);
    writeFileSync(target, text, { mode: SECRET_MODE });
    return target;
  });

const isSecret = (path: string, text: string): boolean =>
  path.endsWith('/contact-points.yaml') && /^\s+url: /m.test(text);
