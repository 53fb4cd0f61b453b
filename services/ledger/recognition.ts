import type { AgentStep } from '../../schemas/agent-step.ts';

/** When a stored step was read anew with other conventions, ms; only `tacho ledger rebuild` makes such steps. */
const RECOGNISED_AT = 'tacho.recognised_at';

/** When the step was read anew; 0: as it came from the log. */
export const recognisedAtOf = (step: AgentStep): number => {
  const at = Number(step.facts[RECOGNISED_AT] ?? 0);
  return Number.isSafeInteger(at) && at > 0 ? at : 0;
};

/** The same step as read anew at that moment; told to the ledger alone (`recordToLedger`): others have judged it as it was. */
export const recognisedAnew = (step: AgentStep, atMs: number): AgentStep => ({
  ...step,
  facts: { ...step.facts, [RECOGNISED_AT]: String(atMs) },
});
