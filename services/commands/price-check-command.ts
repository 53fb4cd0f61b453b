import { Option } from 'commander';
import type { PriceSubcommand } from './price-subcommand.ts';

/** `tacho price check`. */
export const checkSubcommand: PriceSubcommand = {
  name: 'check',
  add: (price, worldOf) => {
    price
      .command('check')
      .description('load the price files; say every mistake as file:line:column, gaps, models in use without a price')
      .argument('[dir]', 'folder of price files (default: prices.dir of the config)')
      .option('--files-only', 'look at the files alone, not at stored calls')
      .addOption(new Option('--data <dir>', 'data folder of the embedded log and engine (default .tacho)'))
      .action(async (dir: string | undefined, typed: { filesOnly?: true; data?: string }, command) => {
        const { priceCheck } = await import('./price-check.ts');
        const world = worldOf(command, typed.data);
        process.exitCode = await priceCheck(world, dir ?? world.config.prices.dir, typed.filesOnly !== true);
      });
  },
};
