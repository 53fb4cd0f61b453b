import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './compose.ts';

/** A folder with what the Dockerfile copies into the image, and nothing else of this checkout. */
export interface ImageFolder {
  readonly dir: string;
  readonly remove: () => void;
}

/** Arguments of the COPY lines of the last stage that take from this checkout. */
const copied = (): readonly (readonly string[])[] => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const stage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  return [...stage.matchAll(/^COPY (?!--from)(.+)$/gm)].map(([, words = '']) => words.split(' '));
};

/** What .dockerignore keeps out of the folders that are copied. */
const isIgnored = (path: string): boolean => /\.test\.ts$|-fixture\.ts$|dashboards\/generated$/.test(path);

/** Makes the folder; the packages are those installed here. */
export const makeImageFolder = (): ImageFolder => {
  const dir = mkdtempSync(join(tmpdir(), 'tacho-image-'));
  for (const words of copied()) {
    const to = words.at(-1) ?? '';
    for (const from of words.slice(0, -1))
      cpSync(join(root, from), to === './' ? join(dir, from) : join(dir, to), {
        recursive: true,
        filter: (path) => !isIgnored(path),
      });
  }
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
};
