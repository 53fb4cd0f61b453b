import { Option } from 'commander';
import { ConfigError, type ConfigProblem } from '../runtime/errors.ts';
import type { PriceSubcommand } from './price-subcommand.ts';
import { type TypedRange, typedMoment, typedRange } from './typed-range.ts';

interface Typed extends TypedRange {
  readonly model?: string;
  readonly tenant?: string;
  readonly asKnownAt?: string;
  readonly includeClosed?: true;
  readonly yes?: true;
  readonly data?: string;
}

/** `tacho price reprice`. */
export const repriceSubcommand: PriceSubcommand = {
  name: 'reprice',
  add: (price, worldOf) => {
    price
      .command('reprice')
      .description('price calls anew, show what that changes by day and model, and book it with --yes')
      .requiredOption('--from <time>', 'calls since: 2h, 3d, or 2026-03-01T12:00:00Z')
      .option('--to <time>', 'calls before (default: now)')
      .option('--model <name>', 'only of this model, as the ledger has it')
      .option('--tenant <name>', 'only of this tenant')
      .option('--as-known-at <time>', 'only by prices that were known then')
      .option('--include-closed', 'also calls in months that tacho price close has closed')
      .option('--yes', 'book the difference')
      .addOption(dataOption())
      .action(async (typed: Typed, command) => {
        const { repriceLedger } = await import('./price-reprice.ts');
        const { openPrices } = await import('./open-prices.ts');
        const world = worldOf(command, typed.data);
        const problems: ConfigProblem[] = [];
        const knownAtMs =
          typed.asKnownAt === undefined ? null : typedMoment('--as-known-at', typed.asKnownAt, world, problems);
        if (problems.length > 0) throw new ConfigError(problems);
        const selection = {
          ...typedRange(typed, world),
          model: typed.model ?? null,
          tenant: typed.tenant ?? null,
          knownAtMs,
          includeClosed: typed.includeClosed === true,
        };
        const { book } = await openPrices(world.config);
        process.exitCode = await repriceLedger(world, book, selection, typed.yes === true);
      });
  },
};

/** `tacho price close`. */
export const closeSubcommand: PriceSubcommand = {
  name: 'close',
  add: (price, worldOf) => {
    price
      .command('close')
      .description('close a month: re-pricing leaves its calls alone; without a month, list what is closed')
      .argument('[month]', 'such as 2026-03, UTC')
      .option('--tenant <name>', 'only for this tenant (default: for all)')
      .option('--reopen', 'open it again')
      .addOption(dataOption())
      .action(
        async (month: string | undefined, options: { tenant?: string; reopen?: true; data?: string }, command) => {
          const { closeMonth } = await import('./price-close.ts');
          const ask = { month: month ?? null, tenant: options.tenant ?? null, reopen: options.reopen === true };
          process.exitCode = await closeMonth(worldOf(command, options.data), ask);
        },
      );
  },
};

/** Where the embedded log and engine lie. */
export const dataOption = (): Option =>
  new Option('--data <dir>', 'data folder of the embedded log and engine (default .tacho)');
