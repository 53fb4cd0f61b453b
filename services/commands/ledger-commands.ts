import { type Command, Option } from 'commander';
import type { RebuildSelection } from './ledger-rebuild.ts';
import { type TypedRange, typedRange } from './typed-range.ts';
import type { World } from './world.ts';

interface Typed extends TypedRange {
  readonly family?: string;
  readonly tenant?: string;
  readonly yes?: true;
  readonly data?: string;
}

/** What stands below `tacho ledger`, which itself runs the service. `worldOf`: config and machine of a command. */
export const addLedgerCommands = (
  ledger: Command,
  worldOf: (command: Command, data: string | undefined) => World,
): void => {
  ledger.description(`${ledger.description()}; rebuild reads stored steps anew`);
  ledger
    .command('rebuild')
    .description(
      "read stored steps anew with today's conventions, show what that changes in the books, and book it with --yes",
    )
    .requiredOption('--from <time>', 'calls since: 2h, 3d, or 2026-03-01T12:00:00Z')
    .option('--to <time>', 'calls before (default: now)')
    .option('--family <name>', 'only what this convention read')
    .option('--tenant <name>', 'only of this tenant')
    .option('--yes', 'book the difference')
    .addOption(new Option('--data <dir>', 'data folder of the embedded log and engine (default .tacho)'))
    .action(async (typed: Typed, command: Command) => {
      const { rebuildLedger } = await import('./ledger-rebuild.ts');
      const world = worldOf(command, typed.data);
      process.exitCode = await rebuildLedger(world, selectionOf(typed, world), typed.yes === true);
    });
};

const selectionOf = (typed: Typed, world: World): RebuildSelection => ({
  ...typedRange(typed, world),
  family: typed.family ?? null,
  tenant: typed.tenant ?? null,
});
