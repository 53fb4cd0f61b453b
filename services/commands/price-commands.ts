import type { Command } from 'commander';
import { checkSubcommand } from './price-check-command.ts';
import { listSubcommand } from './price-list-command.ts';
import { reconcileSubcommand } from './price-reconcile-command.ts';
import { closeSubcommand, repriceSubcommand } from './price-reprice-command.ts';
import type { PriceSubcommand, WorldOf } from './price-subcommand.ts';
import { whatIfSubcommand } from './price-what-if-command.ts';

/** What stands below `tacho price`, in the order its help shows. */
const SUBCOMMANDS: readonly PriceSubcommand[] = [
  listSubcommand,
  checkSubcommand,
  repriceSubcommand,
  closeSubcommand,
  whatIfSubcommand,
  reconcileSubcommand,
];

/** `tacho price …`: the price book looked at, checked, and applied anew. */
export const addPriceCommands = (program: Command, worldOf: WorldOf): void => {
  const price = program.command('price').description('the price book: what is in it, what is wrong with it');
  for (const { add } of SUBCOMMANDS) add(price, worldOf);
};
