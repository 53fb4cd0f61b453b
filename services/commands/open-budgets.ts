import { existsSync, readFileSync } from 'node:fs';
import type { Budget } from '../alerter/budgets/budget.ts';
import { readBudgets } from '../alerter/budgets/budget-file.ts';
import { CONFIG, type Config } from '../runtime/config-schema.ts';
import { ConfigError } from '../runtime/errors.ts';

/** Where budgets stand unless the config says otherwise: that file may be absent. */
const DEFAULT_FILE = CONFIG.parse({}).alerts.budgets_file;

/** Reads the budgets, before anything starts. Throws ConfigError with every problem at once, each with file and line. */
export const openBudgets = ({ alerts }: Config): readonly Budget[] => {
  const file = alerts.budgets_file;
  if (file === '' || (file === DEFAULT_FILE && !existsSync(file))) return [];
  const read = readBudgets(file, textOf(file));
  if (read.kind === 'wrong') throw new ConfigError(read.problems);
  return read.budgets;
};

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new ConfigError([{ key: 'alerts.budgets_file', value: file, allowed: 'a file that can be read' }]);
  }
};
