import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { ProcessMark } from './group-state.ts';

interface ProcessFacts {
  readonly state: string;
  readonly started: string;
}

/** Fields 3 and 22 of /proc/PID/stat, after the command (which may hold blanks and brackets): proc(5). */
const factsOf = (pid: number): ProcessFacts => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return { state: '', started: '' };
  }
};

const hostMark = (): string => {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // Two containers on one host share the boot but not the pids.
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
};

/** Tells this process from every other one, also from a later one with the same pid. */
export const ownProcessMark = (): ProcessMark => ({
  host: hostMark(),
  pid: process.pid,
  started: factsOf(process.pid).started,
});

const isPidGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
};

/** True only when it is certain: same host, and the pid is gone or belongs to a process started at another time. */
export const isProcessDead = (mark: ProcessMark, own: ProcessMark): boolean => {
  if (mark.host !== own.host) return false;
  if (mark.pid !== own.pid && isPidGone(mark.pid)) return true;
  const { state, started } = factsOf(mark.pid);
  // A zombie has a pid until its parent asks for it, but it does nothing any more.
  if (state === 'Z' || state === 'X') return true;
  return started !== '' && mark.started !== '' && started !== mark.started;
};
