import { type Query, READ_SETTINGS, type TimeRange, tenantIs, whereOf } from './query.ts';

export interface RulesetRow {
  readonly ruleset_hash: string;
  readonly state: string;
  readonly rules: number;
  readonly file_names: readonly string[];
  readonly problems: readonly string[];
  readonly loaded_at: string;
}

/** Rule sets shown: the one in force and what was tried lately. */
const RULESETS_MAX = 20;

/** Rule sets, the newest loaded first, without their text. */
export const rulesetsQuery = (): Query => ({
  sql: `SELECT ruleset_hash, state, rules, arraySort(mapKeys(files)) AS file_names, problems, loaded_at
FROM policy_rulesets FINAL
ORDER BY loaded_at DESC, ruleset_hash
LIMIT ${RULESETS_MAX}
${READ_SETTINGS}`,
  params: {},
});

export interface RuleFileRow {
  readonly state: string;
  readonly loaded_at: string;
  readonly file: string;
  readonly text: string;
}

/** Characters of a rule file that are given; rule files are a few kilobytes. */
const FILE_CHARS_MAX = 65_536;

/** The files of a rule set that name a rule: what the violation was judged by, as it was written then. */
export const ruleFilesQuery = (input: { readonly rulesetHash: string; readonly ruleId: string }): Query => ({
  sql: `SELECT state, loaded_at, part.1 AS file, substringUTF8(part.2, 1, ${FILE_CHARS_MAX}) AS text
FROM (SELECT state, loaded_at, arrayZip(mapKeys(files), mapValues(files)) AS parts FROM policy_rulesets FINAL WHERE ruleset_hash = {ruleset_hash:String})
ARRAY JOIN parts AS part
WHERE position(part.2, {rule_id:String}) > 0
ORDER BY state = 'refused', file
LIMIT 5
${READ_SETTINGS}`,
  params: { ruleset_hash: input.rulesetHash, rule_id: input.ruleId },
});

export interface RulesetFileRow {
  readonly file: string;
  readonly text: string;
}

/** Files of a set that are read to list its rules; a set of more is still in force. */
const RULESET_FILES_MAX = 500;

/** Every file of a rule set in force, in order of its name. */
export const rulesetFilesQuery = (input: { readonly rulesetHash: string }): Query => ({
  sql: `SELECT part.1 AS file, substringUTF8(part.2, 1, ${FILE_CHARS_MAX}) AS text
FROM (SELECT arrayZip(mapKeys(files), mapValues(files)) AS parts FROM policy_rulesets FINAL WHERE ruleset_hash = {ruleset_hash:String} AND state != 'refused')
ARRAY JOIN parts AS part
ORDER BY file
LIMIT ${RULESET_FILES_MAX}
${READ_SETTINGS}`,
  params: { ruleset_hash: input.rulesetHash },
});

export interface CoverageRow {
  readonly rule_id: string;
  readonly family: string;
  readonly field: string;
  readonly steps: number;
  readonly lacking: number;
  readonly errors: number;
}

/** Lines of a coverage table: rules times emitters times fields, the worst first. */
const COVERAGE_ROWS_MAX = 500;

/** Where rules cannot judge: by rule, emitter and field, what share of the steps lacked what the rule needs. */
export const coverageQuery = (input: { readonly tenant: string | null; readonly range: TimeRange }): Query => {
  const where = whereOf([
    tenantIs(input.tenant),
    {
      // Coverage counts by the hour: an hour belongs to the range when any of it does.
      sql: "hour >= toStartOfHour(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')) AND hour < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')",
      params: { from_ms: input.range.fromMs, to_ms: input.range.toMs },
    },
  ]);
  return {
    sql: `SELECT c.rule_id AS rule_id, c.family AS family, c.field AS field,
  sum(c.steps) AS steps, sum(c.lacking) AS lacking, sum(c.errors) AS errors
FROM policy_coverage AS c
${where.sql}
GROUP BY rule_id, family, field
ORDER BY lacking + errors = 0, rule_id, lacking DESC, family, field
LIMIT ${COVERAGE_ROWS_MAX}
${READ_SETTINGS}`,
    params: where.params,
  };
};
