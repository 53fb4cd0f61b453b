import { Option } from 'commander';
import type { PriceSubcommand } from './price-subcommand.ts';

interface Typed {
  readonly unpriced?: true;
  readonly model?: string;
  readonly tenant?: string;
  readonly since: string;
  readonly json?: true;
  readonly data?: string;
}

/** `tacho price list`. */
export const listSubcommand: PriceSubcommand = {
  name: 'list',
  add: (price, worldOf) => {
    price
      .command('list')
      .description('prices of the book: your own, and the public ones by --model; or what has none')
      .option('--model <name>', 'prices of models whose name holds this, the public list included')
      .option('--unpriced', 'instead: models of stored calls without a price, with the nearest known names')
      .option('--tenant <name>', 'with --unpriced: only of this tenant')
      .option('--since <duration>', 'with --unpriced: calls since, such as 24h, 7d', '30d')
      .option('--json', 'as JSON')
      .addOption(new Option('--data <dir>', 'data folder of the embedded log and engine (default .tacho)'))
      .action(async (typed: Typed, command) => {
        const { listPrices, listUnpriced } = await import('./price-list.ts');
        const world = worldOf(command, typed.data);
        const isJson = typed.json === true;
        process.exitCode =
          typed.unpriced === true
            ? await listUnpriced(world, { tenant: typed.tenant ?? null, since: typed.since, isJson })
            : await listPrices(world, typed.model ?? null, isJson);
      });
  },
};
