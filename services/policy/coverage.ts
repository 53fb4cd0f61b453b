import type { Row } from '../runtime/ports.ts';
import type { Judged } from './judge-step.ts';

/** Counts of one rule over the steps of one family, for one field; '' = the rule as a whole. */
interface Count {
  steps: number;
  lacking: number;
  errors: number;
}

/** Columns that tell the coverage rows of a batch apart. */
export const COVERAGE_IDENTITY = ['tenant_id', 'hour', 'rule_id', 'rule_version', 'family', 'field'] as const;

const HOUR_MS = 3_600_000;
const SEPARATOR = '\n';

/**
 * Counts what could be judged. With field '': steps of the rule's kinds, those that could not be judged, those at which it
 * failed. Each field and list it requires has a row with the steps that lacked it; of one that only a condition came to,
 * the steps that lacked it are all that is counted. The hour is the log's, so that late steps show up when they are judged.
 */
export const createCoverage = (tenant: string, loggedAtMs: number) => {
  const counts = new Map<string, Count>();
  const add = (judged: Judged, family: string, field: string, lacks: boolean, failed: boolean): void => {
    const key = [judged.judge.id, judged.judge.version, family, field].join(SEPARATOR);
    const count = counts.get(key) ?? { steps: 0, lacking: 0, errors: 0 };
    count.steps += 1;
    if (lacks) count.lacking += 1;
    if (failed) count.errors += 1;
    counts.set(key, count);
  };
  return {
    add: (judged: Judged, family: string): void => {
      const { judge, lacking } = judged;
      add(judged, family, '', lacking.length > 0, judged.error !== null || judged.isFull);
      const required = [
        ...judge.requires.map(({ path }) => `e.${path}`),
        ...judge.requiredLists.map((n) => `cfg.${n}`),
      ];
      for (const field of required) add(judged, family, field, lacking.includes(field), false);
      for (const field of lacking) if (!required.includes(field)) add(judged, family, field, true, false);
    },
    rows: (frame: {
      readonly ruleset_hash: string;
      readonly batch_id: string;
      readonly logged_at: string;
    }): readonly Row[] => {
      const hour = hourText(loggedAtMs);
      return [...counts].map(([key, count]) => {
        const [rule_id, rule_version, family, field] = key.split(SEPARATOR);
        return { tenant_id: tenant, hour, rule_id, rule_version, family, field, ...count, ...frame };
      });
    },
  };
};

const hourText = (ms: number): string =>
  new Date(Math.floor(ms / HOUR_MS) * HOUR_MS).toISOString().slice(0, 19).replace('T', ' ');

/** Makes one row of those that count the same thing: a batch holds many runs. */
export const sumCoverage = (rows: readonly Row[]): readonly Row[] => {
  const sums = new Map<string, Row>();
  for (const row of rows) {
    const key = COVERAGE_IDENTITY.map((column) => String(row[column])).join(SEPARATOR);
    const sum = sums.get(key);
    const plus = (column: string): number => Number(sum?.[column] ?? 0) + Number(row[column]);
    sums.set(key, { ...row, steps: plus('steps'), lacking: plus('lacking'), errors: plus('errors') });
  }
  return [...sums.values()];
};
