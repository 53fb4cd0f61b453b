import type { Finding } from './finding.ts';
import { callsWhere, counted, inScope, NO_CALLS, NO_STEPS, names, scoped } from './scope-sql.ts';

/** Whose conversation it was is not known. */
export const noSession: Finding = {
  id: 'no_session',
  severity: 'thin',
  title: 'No session told',
  effect: 'Turns of one conversation cannot be read as one, and its cost cannot be asked for.',
  fix: 'Set gen_ai.conversation.id on the spans of a conversation (OpenInference, Langfuse: session.id); one span of the run is enough.',
  fixes: {
    'vercel-ai7': 'Pass the id in the context of the telemetry settings and let it be recorded (runtimeContext: true).',
    openinference: 'Wrap the call in using_session / setSession: session.id then stands on its spans.',
  },
  query: (scope) => callsWhere(scope, 'e.session_id IS NULL', 'e.agent_name'),
};

/** On whose behalf is not known. */
export const noUser: Finding = {
  id: 'no_user',
  severity: 'thin',
  title: 'No user told',
  effect: 'Spend by user and budgets by user leave these calls out.',
  fix: 'Set user.id (or enduser.id) on the span of the agent or of the request; one span of the run is enough.',
  query: (scope) => callsWhere(scope, 'e.user_id IS NULL', 'e.agent_name'),
};

/** Prompts and answers are not there. */
export const noContent: Finding = {
  id: 'no_content',
  severity: 'thin',
  title: 'Content not recorded',
  effect: 'Runs cannot be read as conversations; rules about what was said or leaked have nothing to judge.',
  fix: 'Switch recording of messages on (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true, or the recordInputs and recordOutputs of the SDK), unless it is left out on purpose here (normalizer.content) or there.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT tenant_id, service, family, ${counted('sum(found)', 'calls')}, ${NO_STEPS},
  toNullable(min(run_id)) AS example_run_id, '' AS detail
FROM (
  SELECT e.tenant_id AS tenant_id, toString(e.service) AS service, toString(e.family) AS family, e.run_id AS run_id, sum(e.calls) AS found
  FROM ledger_entries AS e
  WHERE ${inScope(scope, 'e')} AND e.outcome = 'ok'
    AND (e.tenant_id, e.run_id) NOT IN (
      SELECT c.tenant_id, c.run_id FROM span_content AS c
      WHERE ${inScope(scope, 'c')} AND c.direction IN ('input', 'output')
    )
  GROUP BY tenant_id, service, family, run_id
  HAVING found > 0
)
GROUP BY tenant_id, service, family`,
    ),
};

/** Which program it was is not known. */
export const noService: Finding = {
  id: 'no_service',
  severity: 'thin',
  title: 'No service name',
  effect: 'Every program without a name is one program: nothing can be told or limited by service.',
  fix: 'Set OTEL_SERVICE_NAME, or service.name in the resource of the tracer provider.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT s.tenant_id AS tenant_id, toString(s.service) AS service, toString(s.family) AS family,
  ${counted("countIf(ifNull(s.call_role, '') = 'leaf')", 'calls')}, ${counted('count()', 'steps')},
  toNullable(min(s.run_id)) AS example_run_id, ${names('s.scope_name')} AS detail
FROM spans AS s
WHERE ${inScope(scope, 's')} AND s.step_kind != 'other' AND (s.service = '' OR startsWith(s.service, 'unknown_service'))
GROUP BY tenant_id, service, family`,
    ),
};

/** Agents that work and never pay: their calls are told by nobody. */
export const agentsWithoutCalls: Finding = {
  id: 'agents_without_calls',
  severity: 'unknown',
  title: 'Agents without a model call',
  effect: 'If they asked a model, its cost is missing (sub-agents in another process, mostly).',
  fix: 'Instrument the process the agent runs in and pass the trace context to it (traceparent), or export the usage of sub-agents with the caller.',
  query: (scope) =>
    scoped(
      scope,
      `SELECT s.tenant_id AS tenant_id, toString(s.service) AS service, toString(s.family) AS family,
  ${NO_CALLS}, ${counted('count()', 'steps')},
  toNullable(min(s.run_id)) AS example_run_id, ${names('s.agent_name')} AS detail
FROM spans AS s
WHERE ${inScope(scope, 's')} AND s.step_kind = 'agent' AND s.status != 'error'
  AND (s.tenant_id, s.run_id) NOT IN (SELECT e.tenant_id, e.run_id FROM ledger_entries AS e WHERE ${inScope(scope, 'e')})
GROUP BY tenant_id, service, family`,
    ),
};
