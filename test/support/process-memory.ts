import { readFileSync } from 'node:fs';

const KIB_OF_MIB = 1024;

/** Memory a process holds now, MiB (Linux). */
export const residentMib = (pid: number): number => {
  const [, kib = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / KIB_OF_MIB;
};

/** Looks every second until stopped; what was seen, oldest first, MiB. */
export const watchMemory = (pid: number): { readonly stop: () => readonly number[] } => {
  const seen: number[] = [residentMib(pid)];
  const timer = setInterval(() => seen.push(residentMib(pid)), 1_000);
  return {
    stop: () => {
      clearInterval(timer);
      return seen;
    },
  };
};
