import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A disk of its own that is easily filled. */
export interface SmallDisk {
  readonly dir: string;
  readonly freeBytes: () => number;
  /** Fills it up to `leftBytes`; 0 leaves no byte. */
  readonly fill: (leftBytes: number) => void;
  /** Takes the filling away. */
  readonly empty: () => void;
  readonly remove: () => void;
}

const MIB = 1024 * 1024;
const run = (program: string, args: readonly string[]): void => {
  execFileSync(program, [...args], { stdio: 'ignore' });
};

/** Whether this machine lets us mount (Linux, root); elsewhere the same is shown with a disk port moved by hand. */
export const canMount = (): boolean => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    mountSmallDisk(1).remove();
    return true;
  } catch {
    return false;
  }
};

/** Mounts a tmpfs of `sizeMib`. Throws where that is not allowed. */
export const mountSmallDisk = (sizeMib: number): SmallDisk => {
  const dir = mkdtempSync(join(tmpdir(), 'tacho-disk-'));
  try {
    run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', dir]);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  const ballast = join(dir, 'ballast');
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  };
  return {
    dir,
    freeBytes,
    fill: (leftBytes) => {
      for (let chunk = MIB; chunk >= 4096; chunk /= 4) {
        const bytes = Buffer.alloc(chunk);
        try {
          while (freeBytes() >= leftBytes + chunk) writeFileSync(ballast, bytes, { flag: 'a' });
        } catch (error) {
          if (leftBytes > 0) throw error;
        }
      }
    },
    empty: () => {
      truncateSync(ballast, 0);
    },
    remove: () => {
      // Lazily: a process that was just killed may not have let go yet.
      run('umount', ['-l', dir]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
};
