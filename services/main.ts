/** The only reader of argv and environment: config → adapters → services → drain. */
import { Command, CommanderError, Option } from 'commander';
import { addDlqCommands } from './commands/dlq-commands.ts';
import { addLedgerCommands } from './commands/ledger-commands.ts';
import { addOpenLineageCommands } from './commands/openlineage-commands.ts';
import { addPolicyCommands } from './commands/policy-commands.ts';
import { addPriceCommands } from './commands/price-commands.ts';
import { createWorld, packageVersion, type World } from './commands/world.ts';
import { loadConfig } from './runtime/config.ts';
import { ConfigError, TransportError } from './runtime/errors.ts';

const EXIT_CONFIG = 2;
/** What a shell says of a program ended by Ctrl-C. */
const EXIT_STOPPED = 130;

interface GlobalOptions {
  readonly config?: string;
}

const stop = new AbortController();
let signals = 0;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    signals += 1;
    stop.abort();
    // A second Ctrl-C means it: everything acknowledged is in the log already, a kill loses nothing.
    if (signals > 1) process.exit(EXIT_STOPPED);
  });
}

// Under an older Node, bin/tacho.mjs stands before this process: when it is killed, this one must not live on.
if (process.env['TACHO_PARENT'] === 'wrapper') {
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
}

/** Reads the config and builds the world of a command. A flag outranks the environment, which outranks the file. */
const worldOf = (command: Command, overrides: Readonly<Record<string, string>> = {}, level?: string): World => {
  const { config } = command.optsWithGlobals<GlobalOptions>();
  return createWorld(
    loadConfig(config ?? process.env['TACHO_CONFIG'] ?? null, { ...process.env, ...overrides }),
    stop.signal,
    level,
  );
};

const dataOverride = (dir: string | undefined): Readonly<Record<string, string>> =>
  dir === undefined ? {} : { TACHO_DATA_DIR: dir };

const program = new Command('tacho')
  .description('Tachograph, a flight recorder for AI agents: every step once, with what it cost and what it touched.')
  .version(packageVersion())
  .option('--config <file>', 'config file (default config/tachograph.yaml; every key also as TACHO_<SECTION>_<KEY>)')
  .showHelpAfterError('(tacho --help lists the commands)')
  .enablePositionalOptions()
  .exitOverride();

const QUIET = 'warn';
const dataOption = () => new Option('--data <dir>', 'data folder of the embedded log and engine (default .tacho)');

program
  .command('up')
  .description('run every service in one process')
  .addOption(dataOption())
  .option('--demo', 'play recorded agent traffic in, as if live, under tenant demo')
  .option('--no-demo', 'start without the demo')
  .option('--exit-when-idle', 'stop by itself, exit 0, once everything accepted is stored and judged')
  .action(async (options: { data?: string; demo?: boolean; exitWhenIdle?: boolean }, command: Command) => {
    const { up } = await import('./commands/up.ts');
    const isInteractive = process.stdout.isTTY === true;
    const world = worldOf(
      command,
      dataOverride(options.data),
      process.env['TACHO_LOG_LEVEL'] === undefined && isInteractive ? QUIET : undefined,
    );
    process.exitCode = await up(world, { demo: options.demo === true, exitWhenIdle: options.exitWhenIdle === true });
  });

const SERVICES = {
  receiver: 'take OTLP over HTTP and gRPC and write it to the event log',
  normalizer: 'decode, recognise, redact; write spans and steps',
  ledger: 'book what each model call cost; write runs',
  lineage: 'say which agent, tool, model, data and user met; write lineage_edges',
  policy: 'judge every step by the rules in config/policies; write policy_violations',
  alerter: 'make incidents of violations and budgets, and tell each change once',
  rollup: 'sum closed hours, so that questions over months are quick',
  api: 'query API and console',
} as const;

for (const [name, description] of Object.entries(SERVICES)) {
  const service = program
    .command(name)
    .description(`run one service: ${description}`)
    .addOption(dataOption())
    .action(async (options: { data?: string }, command: Command) => {
      const { runService } = await import('./commands/run-service.ts');
      process.exitCode = await runService(worldOf(command, dataOverride(options.data)), name);
    });
  if (name === 'policy') addPolicyCommands(service, (command) => worldOf(command, {}, QUIET));
  if (name === 'ledger') addLedgerCommands(service, (command, data) => worldOf(command, dataOverride(data), QUIET));
}

program
  .command('import')
  .description('send recorded OTLP (.bin protobuf, .json, .ndjson[.gz]) to an OTLP endpoint')
  .argument('<path...>', 'files or folders')
  .option('--to <url>', 'OTLP/HTTP endpoint (default: the receiver of this config)')
  .option('--api <url>', 'query API that --wait asks (default: the API of this config)')
  .option('--tenant <name>', 'tenant to send as')
  .option('--token <token>', 'bearer token')
  .option('--now', 'shift times so that the newest is now; identities stay, a second import is recognised')
  .option('--wait', 'return when all of it is queryable, and compare what was sent with what is stored')
  .action(
    async (
      paths: string[],
      options: { to?: string; api?: string; tenant?: string; token?: string; now?: boolean; wait?: boolean },
      command: Command,
    ) => {
      const { importFiles } = await import('./commands/import.ts');
      const world = worldOf(command, {}, QUIET);
      const { receiver, api } = world.config;
      process.exitCode = await importFiles(world, {
        paths,
        to: options.to ?? `http://127.0.0.1:${receiver.http_port}`,
        api: options.api ?? `http://127.0.0.1:${api.port}`,
        tenant: options.tenant ?? null,
        token: options.token ?? null,
        now: options.now === true,
        wait: options.wait === true,
      });
    },
  );

program
  .command('query')
  .description('run read-only SQL over what is stored')
  .argument('<sql>', 'a SELECT, SHOW, DESCRIBE or EXPLAIN')
  .option('--format <name>', 'any ClickHouse output format', 'PrettyCompact')
  .addOption(dataOption())
  .action(async (sql: string, options: { format: string; data?: string }, command: Command) => {
    const { query } = await import('./commands/query.ts');
    process.exitCode = await query(worldOf(command, dataOverride(options.data), QUIET), sql, options.format);
  });

program
  .command('audit')
  .description('prove from stored data that nothing is lost or doubled; exit 1 with the place where it is not so')
  .option('--json', 'print the report as JSON')
  .option('--no-record', 'do not write the result into audit_results')
  .option('--repair', 'first mend what can be mended, and say what was done')
  .option('--dry-run', 'with --repair: say what would be done, and do nothing')
  .option('--every <time>', 'audit again and again, such as 10m, until told to stop')
  .addOption(dataOption())
  .action(
    async (
      options: { json?: boolean; record: boolean; repair?: boolean; dryRun?: boolean; every?: string; data?: string },
      command: Command,
    ) => {
      const { runAudit } = await import('./commands/audit.ts');
      const { parseEvery } = await import('./commands/every.ts');
      process.exitCode = await runAudit(worldOf(command, dataOverride(options.data), QUIET), {
        asJson: options.json === true,
        record: options.record,
        repair: options.repair !== true ? 'no' : options.dryRun === true ? 'plan' : 'yes',
        everyMs: options.every === undefined ? null : parseEvery(options.every),
      });
    },
  );

addDlqCommands(program, (command, data) => worldOf(command, dataOverride(data), QUIET));
addPriceCommands(program, (command, data) => worldOf(command, dataOverride(data), QUIET));
addOpenLineageCommands(program, (command, data) => worldOf(command, dataOverride(data), QUIET));

program
  .command('dashboards')
  .description('write Grafana dashboards, alert rules and provisioning for this config')
  .option('--out <dir>', 'folder to write to', 'grafana')
  .action(async (options: { out: string }, command: Command) => {
    const { writeDashboards } = await import('./commands/dashboards.ts');
    process.exitCode = writeDashboards(worldOf(command, {}, QUIET), options.out);
  });

program
  .command('migrate')
  .description('apply the schema to the store, or print it')
  .addOption(new Option('--print', 'print the DDL instead of applying it').conflicts('check'))
  .option('--check', 'apply nothing; exit 1 and say what is missing')
  .addOption(dataOption())
  .action(async (options: { print?: boolean; check?: boolean; data?: string }, command: Command) => {
    const { runMigrate } = await import('./commands/migrate.ts');
    const mode = options.print === true ? 'print' : options.check === true ? 'check' : 'apply';
    process.exitCode = await runMigrate(worldOf(command, dataOverride(options.data), QUIET), mode);
  });

program
  .command('doctor')
  .description('check config, ports, log, store, schema and clock; or what the telemetry lacks; with the fix for each')
  .option('--telemetry', 'look at the stored telemetry instead: what it lacks or gets wrong, sender by sender')
  .option('--tenant <name>', 'with --telemetry: only this tenant')
  .option('--since <duration>', 'with --telemetry: what was stored since, such as 30m, 24h, 7d', '24h')
  .option('--json', 'with --telemetry: as JSON')
  .addOption(dataOption())
  .action(async (options: DoctorOptions, command: Command) => {
    const world = worldOf(command, dataOverride(options.data), QUIET);
    if (options.telemetry !== true) {
      const { doctor } = await import('./commands/doctor.ts');
      process.exitCode = await doctor(world);
      return;
    }
    const { doctorTelemetry } = await import('./commands/doctor-telemetry.ts');
    process.exitCode = await doctorTelemetry(world, {
      tenant: options.tenant,
      since: options.since,
      isJson: options.json === true,
    });
  });

interface DoctorOptions {
  readonly data?: string;
  readonly telemetry?: true;
  readonly tenant?: string;
  readonly since: string;
  readonly json?: true;
}

program.addHelpText(
  'after',
  `
Examples:
  $ npm start                                       everything, with a demo, on http://127.0.0.1:7070
  $ npx tacho up --data ./data                      everything, empty
  $ npx tacho import captures/ --wait               send recorded OTLP and see it stored
  $ npx tacho query "SELECT model, sum(cost_usd) FROM ledger_entries GROUP BY model"
  $ npx tacho audit                                 nothing lost, nothing doubled?
  $ npx tacho dlq list                              what was refused, and why`,
);

/** Says what went wrong in one paragraph; a stack trace only for bugs. */
const fail = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof ConfigError) {
    process.stderr.write(`The config has ${error.problems.length} problem(s); nothing was started:\n`);
    for (const { key, value, allowed } of error.problems)
      process.stderr.write(`  ${key}: is ${value}; allowed: ${allowed}\n`);
    return EXIT_CONFIG;
  }
  // Asked to stop in the middle of a wait: no failure, nothing to say.
  if (error instanceof TransportError && error.code === 'ABORTED' && stop.signal.aborted) return EXIT_STOPPED;
  if (error instanceof TransportError) {
    const because = error.cause instanceof Error ? error.cause.message.trim() : '';
    const isTold = error.message.includes(because);
    process.stderr.write(`${error.message}${isTold ? '' : `\n  because: ${because}`}\n`);
    return 1;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 70;
};

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = fail(error);
}
// Told to stop, and everything drained: a client that still tries to connect must not hold the process.
if (stop.signal.aborted) process.exit();
