import { type AgentStep, BLANK_STEP, type StepCall } from '../../schemas/agent-step.ts';
import { ACCOUNT_FACTS } from './findings.ts';

/** What one account of a call adds to another, and what the two are compared by, under a key of its own. */
export const claimOf = (step: AgentStep, run_id: string): AgentStep => ({
  ...BLANK_STEP,
  tenant_id: step.tenant_id,
  step_id: step.step_id,
  run_id,
  vantage: step.vantage,
  start_unix_micros: step.start_unix_micros,
  end_unix_micros: Math.max(step.start_unix_micros, step.end_unix_micros),
  logged_at_ms: step.logged_at_ms,
  parent_span_id: step.parent_span_id,
  step_kind: step.step_kind,
  service: step.service,
  scope_name: step.scope_name,
  provider: step.provider,
  request_model: step.request_model,
  response_model: step.response_model,
  response_id: step.response_id,
  region: step.region,
  service_tier: step.service_tier,
  call: step.call,
  facts: { [ACCOUNT_FACTS.run]: step.run_id, [ACCOUNT_FACTS.family]: step.family },
});

/** One account of a call, as it stands under a key. */
export type Claim = AgentStep & { readonly call: StepCall };

/** Whether a step tells another run's account of a call. */
export const isClaim = (step: AgentStep): step is Claim => step.call !== null && runOf(step) !== '';
/** The run an account comes from. */
export const runOf = (step: AgentStep): string => step.facts[ACCOUNT_FACTS.run] ?? '';

/** Claims held of one beat and output count. Beyond it twins are booked twice, as they would be without any of this. */
export const CLAIMS_MAX = 500;
