import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childrenOf } from './process-figures.ts';

const STOPPED = 130;

/**
 * However a bench ends, also by Ctrl-C or an exception: its processes end and its folders go. To be called first: from
 * here on every temporary folder, of this process and of those it starts, lies in one folder.
 */
export const tidyEnd = (): void => {
  const folder = mkdtempSync(join(tmpdir(), 'tacho-bench-'));
  process.env['TMPDIR'] = folder;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(STOPPED));
  process.once('exit', () => {
    for (const { pid } of childrenOf(process.pid)) end(pid);
    // A process that was just killed may still be writing.
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  });
};

const end = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
};
