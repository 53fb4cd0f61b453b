import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { FoundRuleFile, RuleFiles, RuleFolder } from './ports.ts';

/** Rules are written by people: a file of more is something else, and costs its parser seconds. */
const FILE_BYTES_MAX = 128 * 1024;
const FILES_MAX = 500;
const TOTAL_BYTES_MAX = 4 * 1024 * 1024;
/** Folders in folders; links may lead in circles. */
const DEPTH_MAX = 6;
/** Entries looked at, rule files or not: a folder given by mistake must not be walked for minutes. */
const ENTRIES_MAX = 5_000;

/**
 * The rule files below a folder: `*.yaml` and `*.yml`, hidden ones left out. Links are followed, never in circles and never
 * out of the folder: what is wrong in a file is told to many, and a link in a rule repository must not show them others.
 */
export const createRuleFiles = (dir: string): RuleFiles => ({
  dir,
  stamp: async () => {
    const found = await listFiles(dir);
    const hash = createHash('sha256');
    for (const { path, version, problem } of found.files) hash.update(`${path}\n${version}\n${problem ?? ''}\n`);
    return hash.update(found.problem ?? '').digest('hex');
  },
  read: async () => readFolder(dir),
});

const readFolder = async (dir: string): Promise<RuleFolder> => {
  const { files, problem } = await listFiles(dir);
  if (problem !== null) return { files: [{ path: dir, text: null, problem }], changedAtMs: 0 };
  const read: FoundRuleFile[] = [];
  let totalBytes = 0;
  for (const file of files) {
    // One that is too large by itself is told as that.
    if (file.problem === null) totalBytes += file.sizeBytes;
    if (totalBytes > TOTAL_BYTES_MAX) {
      read.push({ path: file.path, text: null, problem: `all rule files together exceed ${TOTAL_BYTES_MAX} bytes` });
      break;
    }
    read.push(
      file.problem === null ? await readOne(file.path) : { path: file.path, text: null, problem: file.problem },
    );
  }
  return { files: read, changedAtMs: files.reduce((newest, { mtimeMs }) => Math.max(newest, mtimeMs), 0) };
};

const readOne = async (path: string): Promise<FoundRuleFile> => {
  const refuse = (problem: string): FoundRuleFile => ({ path, text: null, problem });
  try {
    const handle = await open(path, 'r');
    try {
      // Bounded by what is read, not by what `stat` said before: the file may be growing.
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(FILE_BYTES_MAX + 1), 0, FILE_BYTES_MAX + 1, 0);
      if (bytesRead > FILE_BYTES_MAX) return refuse(tooLarge(bytesRead));
      const bytes = buffer.subarray(0, bytesRead);
      if (!isUtf8(bytes) || bytes.includes(0)) return refuse('is no text in UTF-8');
      return { path, text: bytes.toString('utf8'), problem: null };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return refuse(reasonOf(error));
  }
};

const tooLarge = (bytes: number): string => `has at least ${bytes} bytes; a rule file has at most ${FILE_BYTES_MAX}`;

interface Listed {
  readonly path: string;
  readonly mtimeMs: number;
  readonly sizeBytes: number;
  /** Differs whenever the file was written or replaced, also by a copy that keeps size and time. */
  readonly version: string;
  readonly problem: string | null;
}

interface Walk {
  /** Real path of the folder, with its separator. */
  root: string;
  readonly files: Listed[];
  /** Real paths of folders on the way and behind. */
  readonly seen: Set<string>;
  entries: number;
}

const listFiles = async (
  dir: string,
): Promise<{ readonly files: readonly Listed[]; readonly problem: string | null }> => {
  const walk: Walk = { root: '', files: [], seen: new Set(), entries: 0 };
  try {
    if (!(await stat(dir)).isDirectory()) return { files: [], problem: 'is no folder' };
    walk.root = `${await realpath(dir)}${sep}`;
    await walkFolder(dir, 0, walk);
  } catch (error) {
    return { files: [], problem: reasonOf(error) };
  }
  if (walk.files.length > FILES_MAX) return { files: [], problem: `holds more than ${FILES_MAX} rule files` };
  if (walk.entries > ENTRIES_MAX) return { files: [], problem: `holds more than ${ENTRIES_MAX} entries` };
  // By code units: the same order on every machine.
  return { files: walk.files.sort((a, b) => (a.path < b.path ? -1 : 1)), problem: null };
};

const walkFolder = async (dir: string, depth: number, walk: Walk): Promise<void> => {
  const real = await realpath(dir);
  if (walk.seen.has(real)) return;
  walk.seen.add(real);
  for (const name of (await readdir(dir)).sort()) {
    walk.entries += 1;
    if (walk.entries > ENTRIES_MAX || walk.files.length > FILES_MAX) return;
    if (name.startsWith('.')) continue;
    await lookAt(join(dir, name), depth, walk);
  }
};

const lookAt = async (path: string, depth: number, walk: Walk): Promise<void> => {
  const isRuleFile = /\.ya?ml$/.test(path);
  const note = (problem: string): void => {
    walk.files.push({ path, mtimeMs: 0, sizeBytes: 0, version: '', problem });
  };
  try {
    const found = await stat(path);
    const isInside = `${await realpath(path)}${sep}`.startsWith(walk.root);
    if (!isInside && (isRuleFile || found.isDirectory())) note('is a link that leads out of the folder');
    else if (found.isDirectory()) {
      if (depth >= DEPTH_MAX) note(`stands deeper than ${DEPTH_MAX} folders`);
      else await walkFolder(path, depth + 1, walk);
    } else if (isRuleFile && !found.isFile()) note('is no regular file');
    else if (isRuleFile) {
      const { mtimeMs, ctimeMs, ino, size } = found;
      const version = `${mtimeMs}/${ctimeMs}/${ino}/${size}`;
      walk.files.push({
        path,
        mtimeMs,
        sizeBytes: size,
        version,
        problem: size > FILE_BYTES_MAX ? tooLarge(size) : null,
      });
    }
  } catch (error) {
    // A link that leads nowhere or in circles matters only where a rule was meant.
    if (isRuleFile) note(reasonOf(error));
  }
};

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ELOOP: 'is a link that leads in circles',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  ENOTDIR: 'is no folder',
};

const reasonOf = (error: unknown): string => {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
};
