import type { Command } from 'commander';
import { type TypedRange, typedRange } from './typed-range.ts';
import type { World } from './world.ts';

/** Adds `tacho openlineage export` to the command line. */
export const addOpenLineageCommands = (
  program: Command,
  worldOf: (command: Command, data: string | undefined) => World,
): void => {
  program
    .command('openlineage')
    .description('OpenLineage: runs and steps of agents as run events for other catalogues')
    .command('export')
    .description(
      'write the run events of every run that ended in a range to a file, one a line, to a topic, or post them',
    )
    .requiredOption('--from <time>', 'runs that ended since: 2h, 3d, or 2026-03-01T12:00:00Z')
    .option('--to <time>', 'runs that ended before (default: now)')
    .requiredOption(
      '--out <file|url|kafka:topic>',
      'a file, an HTTP endpoint that takes one event a request, or a topic',
    )
    .option('--tenant <name>', 'only this tenant')
    .option('--data <dir>', 'data folder')
    .action(async (typed: TypedRange & { out: string; tenant?: string; data?: string }, command: Command) => {
      const { exportOpenLineage } = await import('./openlineage.ts');
      const world = worldOf(command, typed.data);
      process.exitCode = await exportOpenLineage(world, {
        ...typedRange(typed, world),
        out: typed.out,
        tenant: typed.tenant ?? null,
      });
    });
};
