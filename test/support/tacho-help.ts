import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './compose.ts';

/** What was asked for once: each question starts a process. */
const told = new Map<string, string>();

const help = (args: readonly string[]): string => {
  const known = told.get(args.join(' '));
  if (known !== undefined) return known;
  const text = execFileSync(process.execPath, [join(root, 'services/main.ts'), ...args, '--help'], {
    encoding: 'utf8',
    // Wide, so that no line is broken in two.
    env: { ...process.env, COLUMNS: '500' },
  });
  told.set(args.join(' '), text);
  return text;
};

/** Commands that `tacho --help` names, with what it says of each. */
export const helpCommands = (): ReadonlyMap<string, string> =>
  new Map(
    [...(help([]).split('Commands:')[1] ?? '').matchAll(/^ {2}(\w+) (?:\[options\] )?(?:<\S+> )? *(.*)$/gm)].map(
      ([, name = '', words = '']) => [name, words],
    ),
  );

/** Commands that run one service each. */
export const helpServices = (): readonly string[] =>
  [...helpCommands()].filter(([, words]) => words.startsWith('run one service')).map(([name]) => name);

/** Options that `tacho COMMAND --help` names. */
export const helpOptions = (command: string): ReadonlySet<string> =>
  new Set([...help([command]).matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option));

/** Why `tacho` would not take these words; '' when it would. */
export const refusedWords = (words: readonly string[]): string => {
  const [command = '', ...rest] = words;
  if (!helpCommands().has(command)) return `tacho has no command ${command}`;
  const unknown = rest.filter((word) => word.startsWith('--') && !helpOptions(command).has(word));
  return unknown.length === 0 ? '' : `tacho ${command} has no ${unknown.join(', ')}`;
};
