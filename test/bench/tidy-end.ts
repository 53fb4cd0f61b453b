import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childrenOf } from './process-figures.ts';

const STOPPED = 130;
const LAST_WRITES_MS = 300;

/**
 * However a bench ends, also by Ctrl-C or an exception: its processes end and its folders go. To be called first: from
 * here on every temporary folder, of this process and of those it starts, lies in one folder.
 */
export const tidyEnd = (): void => {
  const folder = mkdtempSync(join(tmpdir(), 'tacho-bench-'));
  process.env['TMPDIR'] = folder;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(STOPPED));
  process.once('exit', () => {
    for (const pid of descendantsOf(process.pid)) end(pid);
    // Whoever was just killed, and this process's own file system calls, may still be writing.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_WRITES_MS);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  });
};

/** Children first found, then theirs: told before any of them is ended, because an orphan belongs to nobody. */
const descendantsOf = (pid: number): readonly number[] =>
  childrenOf(pid).flatMap((child) => [child.pid, ...descendantsOf(child.pid)]);

const end = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
};
