import { admitRuleSet } from '../policy/admit.ts';
import { type LoadOutcome, loadRuleSet } from '../policy/load.ts';
import { problemText } from '../policy/problem.ts';
import type { CompiledDetector, CompiledRule, RuleSet } from '../policy/rule-set.ts';
import { createRuleFiles } from '../runtime/rule-files.ts';

/** What the policy commands need of the world. */
export interface PolicyTerminal {
  readonly print: (text: string) => void;
}

/** Reads and compiles the rules of a folder; needs neither log nor store. */
export const loadFolder = async (dir: string): Promise<LoadOutcome> =>
  loadRuleSet((await createRuleFiles(dir).read()).files);

/** Prints every problem, file:line:column first, and that nothing of the set is used. Gives the exit code. */
export const printRefused = (
  { print }: PolicyTerminal,
  dir: string,
  outcome: Extract<LoadOutcome, { kind: 'refused' }>,
): number => {
  for (const problem of outcome.problems) print(problemText(problem));
  print(`\n${dir}: ${outcome.problems.length} problem(s); the whole set would be refused`);
  return 1;
};

/** `tacho policy check`: what the service would say of the folder. Exit 0 with the rules and their hash, or 1 with every problem. */
export const policyCheck = async (terminal: PolicyTerminal, dir: string, isJson: boolean): Promise<number> => {
  const outcome = admitRuleSet((await createRuleFiles(dir).read()).files);
  if (isJson) {
    terminal.print(
      JSON.stringify(outcome.kind === 'loaded' ? reportOf(dir, outcome.set) : { dir, ok: false, ...outcome }),
    );
    return outcome.kind === 'loaded' ? 0 : 1;
  }
  if (outcome.kind === 'refused') return printRefused(terminal, dir, outcome);
  for (const line of linesOf(dir, outcome.set)) terminal.print(line);
  return 0;
};

const judgesOf = (set: RuleSet): readonly (CompiledRule | CompiledDetector)[] =>
  [...set.rules, ...set.detectors].sort((a, b) => (a.id < b.id ? -1 : 1));

const needed = (set: RuleSet, judge: CompiledRule | CompiledDetector): readonly string[] =>
  judge.requiredLists.filter((name) => set.unfilledLists.includes(name)).map((name) => `cfg.${name}`);

const severityOf = (judge: CompiledRule | CompiledDetector): string =>
  judge.kind === 'rule' ? judge.severity : judge.type;

const reportOf = (dir: string, set: RuleSet) => ({
  dir,
  ok: true,
  hash: set.hash,
  files: Object.keys(set.files),
  rules: judgesOf(set).map((judge) => ({
    id: judge.id,
    version: judge.version,
    kind: judge.kind,
    ...(judge.kind === 'rule' ? { severity: judge.severity } : { type: judge.type }),
    mode: judge.mode,
    on: judge.on,
    requires: [...judge.requires.map(({ path }) => `e.${path}`), ...judge.requiredLists.map((name) => `cfg.${name}`)],
    not_configured: needed(set, judge),
    tests: judge.tests.length,
    place: `${judge.file}:${judge.line}`,
  })),
});

const linesOf = (dir: string, set: RuleSet): readonly string[] => {
  const judges = judgesOf(set);
  const width = Math.max(0, ...judges.map(({ id }) => id.length));
  const rows = judges.map((judge) => {
    const lacks = needed(set, judge);
    const note = lacks.length === 0 ? '' : `   not configured: ${lacks.join(', ')} is empty for every tenant`;
    const tests = judge.tests.length === 0 ? 'no tests' : `${judge.tests.length} tests`;
    const facts = [severityOf(judge).padEnd(8), judge.mode.padEnd(15), judge.on.join(',').padEnd(14), tests];
    return `  ${judge.id.padEnd(width)}  ${judge.version.padEnd(7)}  ${facts.join('  ')}${note}`;
  });
  const files = Object.keys(set.files).length;
  return [...rows, '', `${dir}: ${judges.length} rules in ${files} files load; rule set ${set.hash}`];
};
