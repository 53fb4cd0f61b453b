/** What Linux says of a process: `/proc/PID`. Elsewhere these give NaN, and a bench says so. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: fixed at 100 in Linux's interface to programs (man 5 proc), so a figure is exact to 10 ms. */
const TICKS_PER_SECOND = 100;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

/** The numbered fields of a stat file behind the name, which may itself hold spaces and brackets. */
const fieldsOf = (path: string): readonly string[] => read(path).split(') ').at(-1)?.split(' ') ?? [];
const statOf = (pid: number): readonly string[] => fieldsOf(`/proc/${pid}/stat`);
const usedSeconds = (fields: readonly string[]): number => (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;

/** CPU seconds of a living process, user and system, all its threads; children only once they were waited for. */
export const cpuSeconds = (pid: number): number => usedSeconds(statOf(pid));

/** CPU seconds of the main thread alone: in Node the one that runs JavaScript. */
export const mainThreadSeconds = (pid: number): number => usedSeconds(fieldsOf(`/proc/${pid}/task/${pid}/stat`));

/** Resident memory now and at its highest, MiB. */
export const residentMib = (pid: number): { readonly now: number; readonly peak: number } => {
  const status = read(`/proc/${pid}/status`);
  const mib = (key: string): number => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN) / 1024;
  return { now: mib('VmRSS'), peak: mib('VmHWM') };
};

/** Living children of a process, with the command line they were started by. */
export const childrenOf = (pid: number): readonly { readonly pid: number; readonly command: string }[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(statOf(Number(name))[1]) === pid)
    .map((name) => ({ pid: Number(name), command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim() }));

/** Seconds of CPU that all processes of the machine used since it started, and that a hypervisor took away. */
export const machineSeconds = (): { readonly busy: number; readonly stolen: number } => {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    read('/proc/stat').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { busy: (user + nice + system + irq + softirq) / TICKS_PER_SECOND, stolen: steal / TICKS_PER_SECOND };
};
