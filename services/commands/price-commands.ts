import type { Command } from 'commander';
import type { World } from './world.ts';

/** Config and machine of a command. `data`: the folder its flag names, if it has one. */
export type WorldOf = (command: Command, data: string | undefined) => World;

/** One subcommand of `tacho price`, in a file of its own. */
export interface PriceSubcommand {
  readonly name: string;
  /** Adds itself below `price`. Whatever is heavy is imported when it runs. */
  readonly add: (price: Command, worldOf: WorldOf) => void;
}

/** What stands below `tacho price`, in the order its help shows. */
const SUBCOMMANDS: readonly PriceSubcommand[] = [];

/** `tacho price …`: the price book looked at, checked, and applied anew. */
export const addPriceCommands = (program: Command, worldOf: WorldOf): void => {
  const price = program.command('price').description('the price book: what is in it, what is wrong with it');
  for (const { add } of SUBCOMMANDS) add(price, worldOf);
};
