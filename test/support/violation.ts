import type { PolicyViolation } from '../../schemas/policy-violation.ts';
import { HOSTILE } from './seed-builders.ts';

/** A violation as the policy service gives it, a minute old at `nowMs`, with a hostile title. */
export const violationOf = (id: string, nowMs: number, change: Partial<PolicyViolation> = {}): PolicyViolation => ({
  violation_id: id,
  tenant_id: 'demo',
  ts_unix_micros: (nowMs - 60_000) * 1000,
  detected_at_ms: nowMs - 60_000,
  rule_id: 'flow.untrusted',
  rule_version: '1',
  ruleset_hash: 'ab'.repeat(16),
  severity: 'high',
  mode: 'alert',
  title: HOSTILE,
  run_id: 'cd'.repeat(16),
  trace_id: 'cd'.repeat(16),
  span_id: 'ef'.repeat(8),
  step_id: 'step-1',
  source_span_id: null,
  service: 'research-api',
  agent_name: null,
  workflow: null,
  user_id: null,
  evidence: '{}',
  evidence_level: 'value',
  detected_by: 'stream',
  ...change,
});
