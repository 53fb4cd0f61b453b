import { readFileSync } from 'node:fs';
import type { PriceBook } from '../ledger/prices/price.ts';
import { ConfigError, type ConfigProblem } from '../runtime/errors.ts';
import { dataOption } from './price-reprice-command.ts';
import type { PriceSubcommand } from './price-subcommand.ts';
import { type TypedRange, typedRange } from './typed-range.ts';

interface Typed extends TypedRange {
  readonly model: readonly string[];
  readonly tier?: string;
  readonly cache?: string;
  readonly prices?: string;
  readonly tenant?: string;
  readonly data?: string;
}

/** `tacho price what-if`. */
export const whatIfSubcommand: PriceSubcommand = {
  name: 'what-if',
  add: (price, worldOf) => {
    price
      .command('what-if')
      .description('price the same history on another model, tier, cache policy or price file; books nothing')
      .requiredOption('--from <time>', 'calls since: 2h, 3d, or 2026-03-01T12:00:00Z')
      .option('--to <time>', 'calls before (default: now)')
      .option('--model <a=b>', 'price model a as b, a name or provider/name; may be given again', collect, [])
      .option('--tier <name>', 'as if every call had been of this service tier')
      .option('--cache <policy>', 'on: as it was; off: cached input priced as plain input', 'on')
      .option('--prices <file>', 'by the prices of this file before the others')
      .option('--tenant <name>', 'only of this tenant')
      .addOption(dataOption())
      .action(async (typed: Typed, command) => {
        const { whatIf } = await import('./price-what-if.ts');
        const { openPrices } = await import('./open-prices.ts');
        const world = worldOf(command, typed.data);
        const { book } = await openPrices(world.config);
        const other = typed.prices === undefined ? book : await bookOfFile(typed.prices);
        const ask = {
          ...typedRange(typed, world),
          tenant: typed.tenant ?? null,
          models: modelsOf(typed.model),
          tier: typed.tier ?? null,
          hasCache: hasCache(typed.cache ?? 'on'),
        };
        process.exitCode = await whatIf(world, book, other, ask);
      });
  },
};

const collect = (text: string, before: readonly string[]): readonly string[] => [...before, text];

const modelsOf = (texts: readonly string[]): ReadonlyMap<string, string> => {
  const problems: ConfigProblem[] = [];
  const models = new Map<string, string>();
  for (const text of texts) {
    const [from = '', to = '', ...more] = text.split('=').map((part) => part.trim());
    if (from === '' || to === '' || more.length > 0 || models.has(from))
      problems.push({ key: '--model', value: text, allowed: 'model=other, each model once' });
    models.set(from, to);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return models;
};

const hasCache = (policy: string): boolean => {
  if (policy !== 'on' && policy !== 'off')
    throw new ConfigError([{ key: '--cache', value: policy, allowed: 'on or off' }]);
  return policy === 'on';
};

/** The book of one price file before the public list. Throws ConfigError with everything that is wrong, each with its line. */
const bookOfFile = async (path: string): Promise<PriceBook> => {
  const { loadPriceBook } = await import('../ledger/prices/book.ts');
  const read = loadPriceBook([{ path, text: textOf(path), problem: null }]);
  if (read.kind === 'refused') throw new ConfigError(read.problems);
  return read.book;
};

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError([{ key: '--prices', value: path, allowed: `a price file (${String(cause)})` }]);
  }
};
