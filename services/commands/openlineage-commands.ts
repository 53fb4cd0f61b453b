import type { Command } from 'commander';
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
    .description('write the run events of every run that ended in a range to a file, one a line, or post them')
    .requiredOption('--from <time>', 'runs that ended at or after this moment, ISO 8601')
    .requiredOption('--to <time>', 'runs that ended before this moment, ISO 8601')
    .requiredOption('--out <file|url>', 'a file, or an HTTP endpoint that takes one event a request')
    .option('--tenant <name>', 'only this tenant')
    .option('--data <dir>', 'data folder')
    .action(
      async (options: { from: string; to: string; out: string; tenant?: string; data?: string }, command: Command) => {
        const { exportOpenLineage } = await import('./openlineage.ts');
        process.exitCode = await exportOpenLineage(worldOf(command, options.data), {
          ...options,
          tenant: options.tenant ?? null,
        });
      },
    );
};
