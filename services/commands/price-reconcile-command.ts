import { dataOption } from './price-reprice-command.ts';
import type { PriceSubcommand } from './price-subcommand.ts';

/** `tacho price reconcile`. */
export const reconcileSubcommand: PriceSubcommand = {
  name: 'reconcile',
  add: (price, worldOf) => {
    price
      .command('reconcile')
      .description('compare an invoice or usage export with the ledger; each difference with its cause and amount')
      .argument('<file>', 'CSV with a header, or JSON pages of a usage API')
      .requiredOption(
        '--map <mapping>',
        'a YAML file that maps its columns, or openai-usage, openai-costs, anthropic-usage, anthropic-cost',
      )
      .option('--tenant <name>', 'only calls of this tenant')
      .addOption(dataOption())
      .action(async (file: string, typed: { map: string; tenant?: string; data?: string }, command) => {
        const { reconcileInvoice } = await import('./price-reconcile.ts');
        const { openPrices } = await import('./open-prices.ts');
        const world = worldOf(command, typed.data);
        const { book } = await openPrices(world.config);
        const ask = { file, map: typed.map, tenant: typed.tenant ?? null };
        process.exitCode = await reconcileInvoice(world, book, ask);
      });
  },
};
