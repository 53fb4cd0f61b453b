import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { uuid } from './world.ts';

/** A folder of segments that one process writes and reads; others stay away while it lives. */
export interface Lane {
  readonly dir: string;
  /** Lets go; the folder goes too when nothing is left in it. Never throws. */
  readonly release: () => void;
}

export interface Lanes {
  /** Where this process writes. */
  readonly own: Lane;
  /** Lanes of processes that ended with records in them. */
  readonly orphans: readonly Lane[];
}

/** Emitters that may share one spool folder at the same time. */
const LANES_MAX = 64;
const OWNER_FILE = 'owner';
const SEGMENT = /^\d{8}\.seg$/;

/** Segments of a lane by their numbers, oldest first. */
export const segmentNames = (dir: string): readonly string[] =>
  readdirSync(dir)
    .filter((name) => SEGMENT.test(name))
    .sort();

/**
 * Takes a lane for this emitter, and every lane that a process which is no more left records in. Throws when the folder
 * cannot be used or all lanes are taken.
 */
export const openLanes = (dir: string): Lanes => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  let own: Lane | null = null;
  const orphans: Lane[] = [];
  for (let number = 0; number < LANES_MAX; number++) {
    const path = join(dir, `lane-${String(number).padStart(2, '0')}`);
    const isLeft = existsSync(path) && segmentNames(path).length > 0;
    if (own !== null && !isLeft) continue;
    const lane = takeLane(path);
    if (lane === null) continue;
    if (own === null) own = lane;
    else orphans.push(lane);
  }
  if (own === null) throw new Error(`all ${LANES_MAX} lanes of ${dir} are taken by other processes`);
  return { own, orphans };
};

const takeLane = (dir: string): Lane | null => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const owner = join(dir, OWNER_FILE);
  if (!claim(owner) && !(removeStale(owner) && claim(owner))) return null;
  return {
    dir,
    release: () => {
      try {
        if (segmentNames(dir).length === 0) rmSync(join(dir, MARK_FILE), { force: true });
        rmSync(owner, { force: true });
        rmdirSync(dir);
      } catch {
        // Something is left in it: whoever comes next takes it up.
      }
    },
  };
};

/** File in a lane that says how far its records were confirmed. */
export const MARK_FILE = 'mark';

/** Who holds a lane. `started` tells a process from a later one with the same id; null where the system does not say. */
interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly started: string | null;
}

/** Makes the owner file with its content in one step; false when there is one. */
const claim = (owner: string): boolean => {
  const draft = `${owner}.${uuid()}`;
  const me: Owner = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  writeFileSync(draft, JSON.stringify(me), { mode: 0o600 });
  try {
    linkSync(draft, owner);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
};

/** Removes the owner file of a process that is no more; false when it lives, or somebody else was faster. */
const removeStale = (owner: string): boolean => {
  const aside = `${owner}.${uuid()}`;
  try {
    const seen = readFileSync(owner, 'utf8');
    if (isAlive(seen)) return false;
    renameSync(owner, aside);
    const moved = readFileSync(aside, 'utf8');
    // Between reading and moving another process may have taken it: it gets its file back.
    if (moved !== seen) linkSync(aside, owner);
    return moved === seen;
  } catch {
    return false;
  } finally {
    rmSync(aside, { force: true });
  }
};

const isAlive = (text: string): boolean => {
  const owner = ownerOf(text);
  if (owner === null) return false;
  if (owner.host !== hostname()) return true; // not ours to judge
  if (owner.started !== null) return startOf(owner.pid) === owner.started;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

const ownerOf = (text: string): Owner | null => {
  try {
    const { pid, host, started } = JSON.parse(text);
    return Number.isSafeInteger(pid) && pid > 0 && typeof host === 'string' ? { pid, host, started } : null;
  } catch {
    return null;
  }
};

/** When a process started, in the kernel's ticks since boot (Linux, proc(5), field 22 of stat); null elsewhere. */
const startOf = (pid: number): string | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
};
