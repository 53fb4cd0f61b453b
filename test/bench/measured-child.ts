import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSeconds, residentMib } from './process-figures.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const STOP_MAX_MS = 30_000;
/** As bin/tacho.mjs sets them for every process of ours. */
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' };

/** A process under measurement. */
export interface MeasuredChild {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly output: () => string;
  /** CPU seconds so far; the last reading once it has ended. */
  readonly cpu: () => number;
  /** MiB. */
  readonly memory: () => { readonly now: number; readonly peak: number };
  readonly hasEnded: () => boolean;
  /** SIGTERM, and SIGKILL when it does not end within half a minute. */
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

/** Starts a program; nothing of the caller's TACHO_ variables reaches it. It does not outlive this process. */
export const startChild = (
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): MeasuredChild => {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TACHO_')));
  const child = spawn(command, args, { cwd: ROOT, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-20_000);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const onExit = (): void => void child.kill('SIGKILL');
  process.once('exit', onExit);
  const ended = new Promise<void>((done) => {
    child.once('error', (error) => {
      output += String(error);
      done();
    });
    child.once('exit', () => {
      process.off('exit', onExit);
      done();
    });
  });
  const pid = child.pid ?? 0;
  let lastCpu = 0;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (hasEnded()) return;
    child.kill(signal);
    const isOver = await Promise.race([ended.then(() => true), delay(STOP_MAX_MS, false, { ref: false })]);
    if (isOver) return;
    child.kill('SIGKILL');
    await ended;
  };
  return {
    pid,
    child,
    output: () => output,
    cpu: () => {
      const now = hasEnded() ? Number.NaN : cpuSeconds(pid);
      if (!Number.isNaN(now)) lastCpu = now;
      return lastCpu;
    },
    memory: () => residentMib(pid),
    hasEnded,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
};

/** Starts one of our programs: a file below the project's folder and its arguments. */
export const startOurs = (
  program: readonly string[],
  env: Readonly<Record<string, string>>,
  nodeArgs: readonly string[] = [],
): MeasuredChild => startChild(process.execPath, [...nodeArgs, ...program], { ...MALLOC, ...env });

/** Polls until `probe` gives something other than null; says what the process printed when it ended or time is up. */
export const untilChild = async <T>(
  what: string,
  child: MeasuredChild,
  probe: () => Promise<T | null>,
  deadlineMs: number,
  everyMs = 100,
): Promise<T> => {
  const endMs = performance.now() + deadlineMs;
  let last: unknown = null;
  while (performance.now() < endMs && !child.hasEnded()) {
    try {
      const found = await probe();
      if (found !== null) return found;
    } catch (error) {
      last = error;
    }
    await delay(everyMs);
  }
  const why = child.hasEnded() ? `the process ended (${child.child.exitCode})` : `not within ${deadlineMs} ms`;
  throw new Error(`${what}: ${why}\n${child.output()}`, { cause: last });
};
