import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEAD_LETTER_REASONS } from '../../schemas/dead-letter.ts';
import { ConfigError } from '../runtime/errors.ts';
import type { World } from './world.ts';

interface Chosen {
  readonly topic?: string;
  readonly reason?: string;
  readonly service?: string;
  readonly since?: string;
  readonly data?: string;
}

const LIST_MAX = 100_000;
const REPLAY_MAX = 1_000_000;
const LOOK_BYTES_MAX = 65_536;

const whole =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`a whole number from ${min} to ${max}`);
  };

/** `tacho dlq …`: dead letters listed, looked at and replayed, and brakes released. `worldOf`: config and machine of a command. */
export const addDlqCommands = (
  program: Command,
  worldOf: (command: Command, data: string | undefined) => World,
): void => {
  const dlq = program
    .command('dlq')
    .description('dead letters: records that were refused, and partitions their brake stopped');
  const narrowed = (command: Command): Command =>
    command
      .option('--topic <name>', 'of this source, such as otlp_spans')
      .option('--reason <reason>', `one of ${DEAD_LETTER_REASONS.join(', ')}`)
      .option('--service <name>', 'refused by this service')
      .option('--since <time>', 'logged since: 2h, 3d, or 2026-03-01T12:00:00Z');
  const data = () => new Option('--data <dir>', 'data folder of the embedded log and engine (default .tacho)');

  narrowed(dlq.command('list'))
    .description('what was refused, where and why; newest first')
    .option('--limit <n>', 'at most so many', whole(1, LIST_MAX), 100)
    .option('--format <name>', 'any ClickHouse output format', 'PrettyCompact')
    .addOption(data())
    .action(async (options: Chosen & { limit: number; format: string }, command: Command) => {
      const { listDeadLetters } = await import('./dlq-list.ts');
      const world = worldOf(command, options.data);
      process.exitCode = await listDeadLetters(
        world,
        await selectionOf(world, [], options),
        options.format,
        options.limit,
      );
    });

  dlq
    .command('show')
    .description('one dead letter: origin, reason, size, and what this version makes of it')
    .argument('<position>', 'topic/partition/offset, as list shows it')
    .option(
      '--bytes <n>',
      'also its first bytes: unredacted, and the look is written into access_log',
      whole(1, LOOK_BYTES_MAX),
    )
    .option('--out <file>', 'also all of its bytes into a new file: unredacted, and written into access_log')
    .addOption(data())
    .action(async (position: string, options: Chosen & { bytes?: number; out?: string }, command: Command) => {
      const { showDeadLetter } = await import('./dlq-show.ts');
      const world = worldOf(command, options.data);
      const selection = await selectionOf(world, [position], {});
      process.exitCode = await showDeadLetter(world, selection, {
        bytes: options.bytes ?? 0,
        out: options.out ?? null,
      });
    });

  narrowed(dlq.command('replay'))
    .description('write the original bytes back to their topic, to be read like new')
    .argument('[position...]', 'topic/partition/offset, as list shows it')
    .option('--all', 'everything the topics of dead letters still hold')
    .option('--limit <n>', 'at most so many', whole(1, REPLAY_MAX), 100_000)
    .option('--again', 'also what was replayed before')
    .option('--dry-run', 'only say what would be written')
    .addOption(data())
    .action(async (positions: string[], options: ReplayChosen, command: Command) => {
      const { replayDeadLetters } = await import('./dlq-replay.ts');
      const world = worldOf(command, options.data);
      const selection = await selectionOf(world, positions, options);
      requireChoice(positions, options);
      const { limit, dryRun, again } = options;
      process.exitCode = await replayDeadLetters(world, selection, {
        ...{ limit, isDryRun: dryRun === true, again: again === true },
      });
    });

  addRelease(dlq, worldOf, data);
  dlq.addHelpText('after', EXAMPLES);
};

interface ReplayChosen extends Chosen {
  readonly all?: boolean;
  readonly limit: number;
  readonly again?: boolean;
  readonly dryRun?: boolean;
}

const selectionOf = async (world: World, positions: readonly string[], chosen: Chosen) => {
  const { parseSelection } = await import('./dlq-selection.ts');
  return parseSelection({ ...chosen, positions }, world.clock);
};

/** Everything is much: it has to be asked for. */
const requireChoice = (positions: readonly string[], { all, topic, reason, service, since }: ReplayChosen): void => {
  const isNarrowed = positions.length > 0 || [topic, reason, service, since].some((value) => value !== undefined);
  if (all === true || isNarrowed) return;
  const allowed = 'positions, --topic, --reason, --service or --since; or --all';
  throw new ConfigError([{ key: 'dlq replay', value: 'not told what', allowed }]);
};

const addRelease = (
  dlq: Command,
  worldOf: (command: Command, data: string | undefined) => World,
  data: () => Option,
): void => {
  dlq
    .command('release')
    .description('let partitions go on that their brake stopped: what is in the log now passes, good or bad')
    .option('--service <name>', 'only of this service')
    .option('--topic <name>', 'only of this topic')
    .option('--partition <n>', 'only this partition of it', whole(0, 100_000))
    .addOption(data())
    .action(
      async (options: { service?: string; topic?: string; partition?: number; data?: string }, command: Command) => {
        const { releaseBrakes } = await import('./dlq-release.ts');
        const { service = null, topic = null, partition = null } = options;
        process.exitCode = await releaseBrakes(worldOf(command, options.data), { service, topic, partition });
      },
    );
};

const EXAMPLES = `
A replayed record is read like new, once: what was stored of it before is recognised, also when it is replayed twice. If it
is refused again, its new dead letter names its first origin.

Examples:
  $ npx tacho dlq list --since 2h                              what was refused lately
  $ npx tacho dlq show otlp_spans/0/123                        one of them, without its contents
  $ npx tacho dlq replay --reason internal_error --dry-run     what a replay would write
  $ npx tacho dlq release --topic otlp_spans                   go on, although most of it is refused`;
