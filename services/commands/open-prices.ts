import { existsSync } from 'node:fs';
import { type BookRead, type LoadedBook, loadPriceBook } from '../ledger/prices/book.ts';
import { CONFIG, type Config } from '../runtime/config-schema.ts';
import { ConfigError } from '../runtime/errors.ts';
import type { RuleFiles } from '../runtime/ports.ts';
import { createRuleFiles } from '../runtime/rule-files.ts';

/** Where price files stand unless the config says otherwise: that folder may be absent. */
const DEFAULT_DIR = CONFIG.parse({}).prices.dir;

/** Reads the files of a price folder and makes the book of them, or says everything that is wrong. */
export const readPrices = async (dir: string): Promise<BookRead> => {
  if (dir === '' || (dir === DEFAULT_DIR && !existsSync(dir))) return loadPriceBook([]);
  return loadPriceBook((await createRuleFiles(dir).read()).files);
};

/** The folder of price files as something to be watched; null: the config names none. */
export const priceFilesOf = ({ prices }: Config): RuleFiles | null =>
  prices.dir === '' ? null : createRuleFiles(prices.dir);

/** The price book of the config, before anything starts. Throws ConfigError with every problem at once, each with its place. */
export const openPrices = async ({ prices }: Config): Promise<LoadedBook> => {
  const read = await readPrices(prices.dir);
  if (read.kind === 'refused') throw new ConfigError(read.problems);
  return read;
};
