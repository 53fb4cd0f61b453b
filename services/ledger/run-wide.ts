import type { Evidence } from './evidence.ts';

/** Dimensions that hold for a whole run when only one value of them was ever told in it. */
export const RUN_WIDE_FIELDS = ['session_id', 'user_id', 'agent_name', 'workflow', 'environment', 'account'] as const;
export type RunWideField = (typeof RUN_WIDE_FIELDS)[number];
export type RunWide = Readonly<Record<RunWideField, string | null>>;

/** The one value of each dimension, or null where none or several were told: guessing would bill the wrong one. */
export const runWideOf = (steps: readonly Evidence[]): RunWide => ({
  session_id: onlyValue(steps, 'session_id'),
  user_id: onlyValue(steps, 'user_id'),
  agent_name: onlyValue(steps, 'agent_name'),
  workflow: onlyValue(steps, 'workflow'),
  environment: onlyValue(steps, 'environment'),
  account: onlyValue(steps, 'account'),
});

const onlyValue = (steps: readonly Evidence[], field: RunWideField): string | null => {
  let only: string | null = null;
  for (const step of steps) {
    const value = step[field];
    if (value === null || value === '' || value === only) continue;
    if (only !== null) return null;
    only = value;
  }
  return only;
};
