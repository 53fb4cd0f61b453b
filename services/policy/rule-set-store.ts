import { hash128 } from '../../schemas/identity.ts';
import type { Store } from '../runtime/ports.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { RuleFile } from './load.ts';
import { problemText, type RuleProblem } from './problem.ts';
import type { RuleSet } from './rule-set.ts';

/** The table `policy_rulesets`: every set that judged, whole, and those that were refused. */
export interface RuleSetStore {
  /** Resolves when the set can be had back by its hash: before that it must not judge. */
  readonly keepInForce: (set: RuleSet, atMs: number, signal: AbortSignal) => Promise<void>;
  readonly keepRefused: (
    files: readonly RuleFile[],
    problems: readonly RuleProblem[],
    atMs: number,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Files of the set with this hash; null when it was never in force. */
  readonly filesOf: (hash: string, signal: AbortSignal) => Promise<readonly RuleFile[] | null>;
  /** The set under which a batch began, by the rows of it that landed; '' when none did. */
  readonly hashOfBatch: (batchId: string, signal: AbortSignal) => Promise<string>;
  /** The set that was in force last, and whether what was loaded last was refused. */
  readonly last: (signal: AbortSignal) => Promise<LastRuleSet>;
}

export interface LastRuleSet {
  readonly hash: string | null;
  readonly isRefused: boolean;
}

/** Rule sets in the store. All methods throw TransportError. */
export const createRuleSetStore = (store: Store): RuleSetStore => {
  const keep = async (
    row: Readonly<Record<string, unknown>> & { readonly ruleset_hash: string; readonly state: string },
    atMs: number,
    signal: AbortSignal,
  ): Promise<void> => {
    const token = `policy_rulesets/${row.ruleset_hash}/${row.state}/${atMs}`;
    await store.insert('policy_rulesets', [{ ...row, loaded_at: utcMillis(atMs) }], { token, signal });
  };
  return {
    keepInForce: (set, atMs, signal) =>
      keep(
        {
          ruleset_hash: set.hash,
          state: 'in_force',
          rules: set.rules.length + set.detectors.length,
          files: set.files,
          problems: [],
        },
        atMs,
        signal,
      ),
    keepRefused: (files, problems, atMs, signal) =>
      keep(
        {
          ruleset_hash: refusalHash(files, problems),
          state: 'refused',
          rules: 0,
          files: Object.fromEntries(files.flatMap(({ path, text }) => (text === null ? [] : [[path, text]]))),
          problems: problems.map(problemText),
        },
        atMs,
        signal,
      ),
    filesOf: async (hash, signal) => {
      const [row] = await store.query<{ readonly files: Readonly<Record<string, string>> }>(
        `SELECT files FROM policy_rulesets FINAL WHERE ruleset_hash = {hash:String} AND state = 'in_force'`,
        { hash },
        signal,
      );
      if (row === undefined) return null;
      return Object.entries(row.files).map(([path, text]) => ({ path, text, problem: null }));
    },
    hashOfBatch: async (batchId, signal) => {
      const [row] = await store.query<{ readonly hash: string }>(
        `SELECT ruleset_hash AS hash FROM policy_coverage WHERE batch_id = {batch:String} LIMIT 1
         UNION ALL SELECT ruleset_hash AS hash FROM policy_violations WHERE batch_id = {batch:String} LIMIT 1
         UNION ALL SELECT JSONExtractString(state, 'r') AS hash FROM run_state
           WHERE service = 'policy' AND batch_id = {batch:String} LIMIT 1`,
        { batch: batchId },
        signal,
      );
      return row?.hash ?? '';
    },
    last: async (signal) => {
      const [row] = await store.query<{ readonly hash: string; readonly sets: string; readonly refused: boolean }>(
        `SELECT argMaxIf(ruleset_hash, loaded_at, state = 'in_force') AS hash, countIf(state = 'in_force') AS sets,
                maxIf(loaded_at, state = 'refused') > maxIf(loaded_at, state = 'in_force') AS refused
         FROM policy_rulesets`,
        {},
        signal,
      );
      const isEmpty = row === undefined || row.sets === '0';
      return { hash: isEmpty ? null : row.hash, isRefused: Number(row?.refused ?? 0) === 1 };
    },
  };
};

/** Names what was refused: these files, for these reasons. */
export const refusalHash = (files: readonly RuleFile[], problems: readonly RuleProblem[]): string =>
  hash128(['refused', ...files.flatMap(({ path, text }) => [path, text ?? '']), ...problems.map(problemText)]);
