import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How other commands of this machine find the running engine: `engine.json` in the data folder, mode 0600. */
export interface EngineFile {
  readonly pid: number;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** ISO 8601, UTC. */
  readonly started_at: string;
}

/** Where a store finds its engine. */
export interface EngineConnection {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly pid: number;
}

const pathOf = (dataDir: string): string => join(dataDir, 'engine.json');

/** Writes the file in one piece, readable by this user alone. */
export const writeEngineFile = async (dataDir: string, file: EngineFile): Promise<void> => {
  await mkdir(dataDir, { recursive: true });
  const temporary = `${pathOf(dataDir)}.${file.pid}`;
  await writeFile(temporary, `${JSON.stringify(file)}\n`, { mode: 0o600 });
  await rename(temporary, pathOf(dataDir));
};

/** Removes the file if it still tells of this process. */
export const removeEngineFile = async (dataDir: string, pid: number): Promise<void> => {
  const file = await readEngineFile(dataDir);
  if (file?.pid === pid) await rm(pathOf(dataDir), { force: true });
};

/** The file's content; null when there is none or it is not ours. */
export const readEngineFile = async (dataDir: string): Promise<EngineFile | null> => {
  try {
    const value: unknown = JSON.parse(await readFile(pathOf(dataDir), 'utf8'));
    return isEngineFile(value) ? value : null;
  } catch {
    return null;
  }
};

const isEngineFile = (value: unknown): value is EngineFile => {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return (
    Number.isInteger(fields.get('pid')) &&
    Number.isInteger(fields.get('port')) &&
    typeof fields.get('user') === 'string' &&
    typeof fields.get('password') === 'string'
  );
};

/** The running engine of a data folder: its process lives and answers `/ping`. null: none does. */
export const findRunningEngine = async (dataDir: string): Promise<EngineConnection | null> => {
  const file = await readEngineFile(dataDir);
  if (file === null || !isAlive(file.pid)) return null;
  const url = `http://127.0.0.1:${file.port}`;
  return (await answersPing(url)) ? { url, user: file.user, password: file.password, pid: file.pid } : null;
};

/** The engine process that the data folder's file tells of, answering or not; null when it does not live. */
export const findEngineProcess = async (dataDir: string): Promise<EngineFile | null> => {
  const file = await readEngineFile(dataDir);
  return file !== null && isAlive(file.pid) ? file : null;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // EPERM: it lives and belongs to somebody else.
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
};

const PING_DEADLINE_MS = 2_000;
const answersPing = async (url: string): Promise<boolean> => {
  try {
    const reply = await fetch(`${url}/ping`, { signal: AbortSignal.timeout(PING_DEADLINE_MS) });
    return reply.ok && (await reply.text()) === 'Ok.\n';
  } catch {
    return false;
  }
};
