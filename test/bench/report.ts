/** How a bench is called and how it answers: the same for all of them. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

/** A row of the printed table; numbers are printed as they are, so round them first. */
export type Row = Readonly<Record<string, string | number>>;

/** Options of a command line: `--quick` and `--out FILE` everywhere, others by name with their default. */
export interface BenchOptions {
  readonly isQuick: boolean;
  readonly out: string | null;
  /** The option as given, or its default. */
  readonly text: (name: string) => string;
  /** As `text`, for whole numbers; throws when it is none. */
  readonly count: (name: string) => number;
}

/** Reads the command line. `defaults` names every option the bench takes; `quick` what is smaller in its quick form. */
export const benchOptions = (
  defaults: Readonly<Record<string, string>>,
  quick: Readonly<Record<string, string>> = {},
): BenchOptions => {
  const named = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]));
  const given = new Map(Object.entries(readArguments(named, defaults)));
  const isQuick = given.get('quick') === true;
  const text = (name: string): string =>
    String(given.get(name) ?? (isQuick ? quick[name] : undefined) ?? defaults[name] ?? '');
  const count = (name: string): number => {
    const value = Number(text(name));
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} ${text(name)}: a whole number`);
    return value;
  };
  const out = given.get('out');
  return { isQuick, out: typeof out === 'string' ? out : null, text, count };
};

/** A command line that is wrong is said in one line, with what it may hold, and ends the process. */
const readArguments = (
  named: Readonly<Record<string, { readonly type: 'string' }>>,
  defaults: Readonly<Record<string, string>>,
) => {
  try {
    return parseArgs({ options: { quick: { type: 'boolean' }, out: { type: 'string' }, ...named } }).values;
  } catch (error) {
    const options = Object.entries(defaults).map(([name, value]) => `--${name} ${value === '' ? '…' : value}`);
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.stderr.write(`options and their defaults: --quick, --out FILE, ${options.join(', ')}\n`);
    process.exit(2);
  }
};

/** The machine and the versions, as a report names them. */
export const machine = (): Readonly<Record<string, string | number>> => {
  const cores = cpus();
  return {
    date: new Date().toISOString().slice(0, 16),
    cores: cores.length,
    cpu: cores[0]?.model.trim() ?? 'unknown',
    memory_gib: Math.round(totalmem() / 2 ** 30),
    os: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    commit: commit(),
    load_before: loadavg()
      .map((value) => value.toFixed(1))
      .join(' '),
  };
};

const commit = (): string => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
};

/** Prints what is being done; results go through `report`. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Prints tables with machine and command, and writes the same as JSON when `--out` was given. */
export const report = (
  name: string,
  options: BenchOptions,
  where: ReturnType<typeof machine>,
  tables: Readonly<Record<string, readonly Row[]>>,
  details: unknown = null,
): void => {
  const command = `node test/bench/${name}.ts ${process.argv.slice(2).join(' ')}`.trim();
  console.log(`\n${command}`);
  console.log(
    Object.entries(where)
      .map(([key, value]) => `${key} ${value}`)
      .join(' · '),
  );
  for (const [title, rows] of Object.entries(tables)) console.log(`\n${title}\n${tableText(rows)}`);
  if (options.out !== null)
    writeFileSync(options.out, `${JSON.stringify({ name, command, machine: where, tables, details }, null, 2)}\n`);
};

/** Rows as a Markdown table, columns aligned so that it can be read as it is. */
export const tableText = (rows: readonly Row[]): string => {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))];
  const widths = columns.map((_, at) => Math.max(3, ...cells.map((line) => (line[at] ?? '').length)));
  const line = (texts: readonly string[]): string =>
    `| ${texts.map((text, at) => text.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = cells;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
};
