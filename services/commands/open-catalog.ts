import { existsSync, readFileSync } from 'node:fs';
import { type Owner, readOwners } from '../api/owners.ts';
import { NO_TOOLS, readTools, type ToolCatalogue } from '../lineage/tool-catalogue.ts';
import { CONFIG, type Config } from '../runtime/config-schema.ts';
import { ConfigError } from '../runtime/errors.ts';

/** Where the catalog stands unless the config says otherwise: that file may be absent. */
const DEFAULT_FILE = CONFIG.parse({}).catalog.file;

/** Reads who owns what, before anything starts. Throws ConfigError with every problem at once, each with file and line. */
export const openOwners = ({ catalog }: Config): readonly Owner[] => {
  const { file } = catalog;
  if (file === '' || (file === DEFAULT_FILE && !existsSync(file))) return [];
  const read = readOwners(file, textOf(file));
  if (read.kind === 'wrong') throw new ConfigError(read.problems);
  return read.owners;
};

/** Reads what tools are said to read and write, before anything starts. Throws ConfigError as `openOwners`. */
export const openTools = ({ catalog }: Config): ToolCatalogue => {
  const { file } = catalog;
  if (file === '' || (file === DEFAULT_FILE && !existsSync(file))) return NO_TOOLS;
  const read = readTools(file, textOf(file));
  if (read.kind === 'wrong') throw new ConfigError(read.problems);
  return read.catalogue;
};

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError([{ key: 'catalog.file', value: file, allowed: 'a file that can be read' }]);
  }
};
