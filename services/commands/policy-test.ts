import { runRuleTests } from '../policy/rule-tests.ts';
import { loadFolder, type PolicyTerminal, printRefused } from './policy-check.ts';

/** `tacho policy test`: runs the tests inside the rule files. Exit 1 when one fails, or when the set does not load. */
export const policyTest = async (terminal: PolicyTerminal, dir: string): Promise<number> => {
  const outcome = await loadFolder(dir);
  if (outcome.kind === 'refused') return printRefused(terminal, dir, outcome);
  const results = runRuleTests(outcome.set);
  const failed = results.filter(({ problems }) => problems.length > 0);
  for (const { file, place, rule, test, problems } of failed) {
    terminal.print(`✗ ${rule}: ${test}   (${file}:${place.line}:${place.column})`);
    for (const problem of problems) terminal.print(`    ${problem}`);
  }
  const rules = [...outcome.set.rules, ...outcome.set.detectors];
  const untested = rules.filter(({ tests }) => tests.length === 0).map(({ id }) => id);
  if (untested.length > 0) terminal.print(`without tests: ${untested.join(', ')}`);
  terminal.print(
    `${dir}: ${results.length - failed.length} of ${results.length} tests of ${rules.length} rules passed`,
  );
  return failed.length === 0 ? 0 : 1;
};
