import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../runtime/config-schema.ts';
import { ConfigError } from '../runtime/errors.ts';

/** Makes the data folder if need be. Throws ConfigError when it is none, cannot be made or cannot be written. */
export const makeDataFolder = ({ data }: Config): void => {
  try {
    makeFolder(resolve(data.dir));
    accessSync(data.dir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw dataProblem(data.dir, reasonOf(cause), 'a folder that can be made and written (--data, TACHO_DATA_DIR)');
  }
};

/**
 * For commands that only look: a data folder mistyped is not an empty one. Throws ConfigError when the embedded store
 * of this config was never made.
 */
export const requireStoredData = ({ data, clickhouse }: Config): void => {
  if (clickhouse.url !== '' || existsSync(join(data.dir, 'clickhouse'))) return;
  throw dataProblem(data.dir, 'nothing is stored there', 'a folder that tacho up has written (--data, TACHO_DATA_DIR)');
};

/** One level at a time: the recursive form of Node never returns where the system lets nobody make folders (/proc). */
const makeFolder = (path: string): void => {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  if (found !== undefined) throw new Error(`${path} is a file`);
  makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (cause) {
    // Another process of the same start may have been first.
    if (!existsSync(path)) throw cause;
  }
};

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const dataProblem = (dir: string, reason: string, allowed: string): ConfigError =>
  new ConfigError([{ key: 'data.dir', value: `${dir} (${reason})`, allowed }]);
