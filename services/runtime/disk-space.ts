import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { TransportError } from './errors.ts';
import type { DiskSpace } from './ports.ts';

/** Says to whoever looks into the folder, and to the next start, that senders were being turned away. */
const MARK = 'ingest-stopped';

/** The disk of a folder that exists. */
export const createDiskSpace = (dir: string): DiskSpace => ({
  dir,
  freeBytes: async () => {
    try {
      const { bavail, bsize } = await statfs(dir);
      return bavail * bsize;
    } catch (cause) {
      throw new TransportError('LOG_UNAVAILABLE', `the disk of ${dir} does not tell its space`, {
        retryable: true,
        cause,
      });
    }
  },
  isMarked: () => existsSync(join(dir, MARK)),
  mark: (isOn) => {
    try {
      if (isOn) writeFileSync(join(dir, MARK), 'The disk was nearly full; tacho took no telemetry.\n');
      else rmSync(join(dir, MARK), { force: true });
    } catch {
      // Only the next start is poorer for it: an incident stays open until somebody resolves it.
    }
  },
});
