import type { Command } from 'commander';
import type { World } from './world.ts';

/**
 * `tacho policy` runs the service; what stands below it looks at rule files and needs neither log nor store. `worldOf`:
 * config and machine of a command.
 */
export const addPolicyCommands = (policy: Command, worldOf: (command: Command) => World): void => {
  const dirOf = (command: Command, dir: string | undefined): { readonly world: World; readonly dir: string } => {
    const world = worldOf(command);
    return { world, dir: dir ?? world.config.policy.dir };
  };
  policy.description(`${policy.description()}; check and test look at rule files alone`);
  policy
    .command('check')
    .description('load and type-check rule files; exit 1 with every problem as file:line:column')
    .argument('[dir]', 'folder of rule files (default: policy.dir of the config)')
    .option('--json', 'print the rules, or the problems, as JSON')
    .action(async (dir: string | undefined, options: { json?: boolean }, command: Command) => {
      const { policyCheck } = await import('./policy-check.ts');
      const at = dirOf(command, dir);
      process.exitCode = await policyCheck(at.world, at.dir, options.json === true);
    });
  policy
    .command('test')
    .description('run the tests inside the rule files; exit 1 with what was expected and what was found')
    .argument('[dir]', 'folder of rule files (default: policy.dir of the config)')
    .action(async (dir: string | undefined, _options: object, command: Command) => {
      const { policyTest } = await import('./policy-test.ts');
      const at = dirOf(command, dir);
      process.exitCode = await policyTest(at.world, at.dir);
    });
  policy.addHelpText(
    'after',
    `
A change of the files is in force, or refused as a whole, within a second; no restart. What is refused changes nothing:
the rules before it stay in force, and the refusal is an incident. docs/policies.md says how a rule is written.

Examples:
  $ npx tacho policy                                run the service
  $ npx tacho policy check                          do the rules load? which ones lack a list?
  $ npx tacho policy test ./my-policies             run the tests inside the rule files`,
  );
};
