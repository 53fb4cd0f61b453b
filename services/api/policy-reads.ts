import type { ApiContext } from './deps.ts';
import {
  type CoverageRow,
  coverageQuery,
  type RulesetFileRow,
  type RulesetRow,
  rulesetFilesQuery,
  rulesetsQuery,
} from './queries/policies.ts';
import type { TimeRange } from './queries/query.ts';
import { type ViolationCountRow, violationCountsQuery } from './queries/violations.ts';
import { read } from './reads.ts';
import { type RuleOutline, readRuleFile } from './rule-documents.ts';

/** A rule in force with what it did in a range of time. */
export interface RuleInForce extends RuleOutline {
  readonly violations: number;
  /** Steps of the kinds it looks at. */
  readonly steps: number;
  /** Steps of them that it could not judge, for want of a list or of something told. */
  readonly lacking: number;
  readonly errors: number;
  /** Lists it needs and did not have (`cfg.…`), with the steps that met it without. */
  readonly not_configured: readonly { readonly list: string; readonly steps: number }[];
}

/** What judges: the set in force, what was refused after it, its rules, and where they cannot judge. */
export interface Policies {
  readonly rulesets: readonly RulesetRow[];
  readonly in_force: RulesetRow | null;
  /** The newest set, when it was refused. */
  readonly refused: RulesetRow | null;
  readonly rules: readonly RuleInForce[];
  readonly coverage: readonly CoverageRow[];
}

/** A set that was not taken: it is kept for what is wrong with it. */
export const isRefused = (ruleset: RulesetRow): boolean => ruleset.state === 'refused';

/** The newest rule set that was not refused; null: none was ever in force. */
export const rulesetInForce = (rulesets: readonly RulesetRow[]): RulesetRow | null =>
  rulesets.find((ruleset) => !isRefused(ruleset)) ?? null;

/** Reads what judges now, with the violations and the coverage of `range`. */
export const readPolicies = async (
  context: ApiContext,
  { tenant, range }: { readonly tenant: string | null; readonly range: TimeRange },
): Promise<Policies> => {
  const [rulesets, coverage, counts] = await Promise.all([
    read<RulesetRow>(context, rulesetsQuery()),
    read<CoverageRow>(context, coverageQuery({ tenant, range })),
    read<ViolationCountRow>(context, violationCountsQuery({ tenant, range })),
  ]);
  const inForce = rulesetInForce(rulesets);
  const [newest] = rulesets;
  const files =
    inForce === null
      ? []
      : await read<RulesetFileRow>(context, rulesetFilesQuery({ rulesetHash: inForce.ruleset_hash }));
  const outlines = files.flatMap(({ file, text }) => readRuleFile(file, text));
  return {
    rulesets,
    in_force: inForce,
    refused: newest !== undefined && isRefused(newest) ? newest : null,
    rules: outlines.map((outline) => ruleInForce(outline, coverage, counts)).sort(byViolations),
    coverage,
  };
};

const byViolations = (a: RuleInForce, b: RuleInForce): number =>
  b.violations - a.violations || (a.rule_id < b.rule_id ? -1 : 1);

const ruleInForce = (
  outline: RuleOutline,
  coverage: readonly CoverageRow[],
  counts: readonly ViolationCountRow[],
): RuleInForce => {
  const own = coverage.filter((row) => row.rule_id === outline.rule_id);
  const whole = own.filter((row) => row.field === '');
  const lists = Map.groupBy(
    own.filter((row) => row.field.startsWith('cfg.') && row.lacking > 0),
    (row) => row.field,
  );
  return {
    ...outline,
    violations: sum(
      counts.filter((row) => row.rule_id === outline.rule_id),
      (row) => row.violations,
    ),
    steps: sum(whole, (row) => row.steps),
    lacking: sum(whole, (row) => row.lacking),
    errors: sum(whole, (row) => row.errors),
    not_configured: [...lists].map(([list, rows]) => ({ list, steps: sum(rows, (row) => row.lacking) })),
  };
};

const sum = <T>(rows: readonly T[], of: (row: T) => number): number => rows.reduce((total, row) => total + of(row), 0);
