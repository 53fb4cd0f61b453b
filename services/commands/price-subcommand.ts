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
