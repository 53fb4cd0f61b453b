/** What a step is. A contract: stored in `spans.step_kind` and named in policies. */
export const STEP_KINDS = [
  'agent',
  'llm',
  'embedding',
  'tool',
  'retrieval',
  'guardrail',
  'workflow',
  'delegation',
  'egress',
  'data_access',
  'secret_use',
  'approval',
  'control',
  'eval',
  'other',
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** Who says it. Bound to the sender's token: without one it is `agent`, whatever the payload claims. */
export const VANTAGES = ['agent', 'runtime', 'gateway', 'proxy', 'operator'] as const;
export type Vantage = (typeof VANTAGES)[number];

export const SIGNALS = ['span', 'log', 'action'] as const;
export type Signal = (typeof SIGNALS)[number];

export const STATUSES = ['ok', 'error', 'unset'] as const;
export type Status = (typeof STATUSES)[number];
