import { EvaluationError } from '@marcbachmann/cel-js';

/** Counts what conditions cost, in units of some 50 ns: about a character looked at, or a node evaluated. */
export interface Meter {
  /** An evaluation begins, which costs this much whatever it does. */
  readonly begin: (units: number) => void;
  /** Throws EvaluationError when the evaluation has had enough. */
  readonly charge: (units: number) => void;
  /** By all evaluations so far. */
  readonly spent: () => number;
}

/** A tenth of a second at most for one condition and one step: dear enough for any rule, too cheap to hold up a partition. */
export const EVALUATION_COST_MAX = 2_000_000;

/** The meter of one rule set. What it counts depends on rule and step alone, so a replay fails where the first try did. */
export const createMeter = (): Meter => {
  let left = EVALUATION_COST_MAX;
  let before = 0;
  return {
    begin: (units) => {
      before += EVALUATION_COST_MAX - left + units;
      left = EVALUATION_COST_MAX;
    },
    charge: (units) => {
      if (units > left) {
        left = 0;
        throw new EvaluationError('costs too much for one step: too much text, or too many comparisons');
      }
      left -= units;
    },
    spent: () => before + EVALUATION_COST_MAX - left,
  };
};
