import { hash128 } from '../../schemas/identity.ts';
import { encodeIncidentEvent, type IncidentEvent, incidentIdOf, NOTHING_SAID } from '../../schemas/incident-event.ts';
import { decodePolicyViolation, type PolicyViolation } from '../../schemas/policy-violation.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { OutgoingRecord, Row } from '../runtime/ports.ts';
import { deadLetterOf, deadLetterRow, deadLetterTable } from '../runtime/stream/dead-letters.ts';
import type { BatchProcessor } from '../runtime/stream/types.ts';
import { ALERTER } from './fold.ts';

/** An incident event as a record of its topic. */
export const recordOf = (event: IncidentEvent): OutgoingRecord => ({
  topic: TOPICS.incidents,
  key: event.incident_id,
  value: encodeIncidentEvent(event),
});

/**
 * A violation as an observation of its incident, with ids that follow from it alone; null for rules in mode `monitor`,
 * which are recorded and open nothing. One incident: the same rule broken by the same agent (else workflow, else
 * service) of a tenant.
 */
export const observationOf = (violation: PolicyViolation): IncidentEvent | null => {
  if (violation.mode === 'monitor') return null;
  const { tenant_id, rule_id, agent_name, workflow, service } = violation;
  return {
    ...NOTHING_SAID,
    event_id: hash128(['observed', 'violation', violation.violation_id]),
    incident_id: incidentIdOf(tenant_id, 'violation', [rule_id, ...whoOf(violation)]),
    tenant_id,
    at_ms: violation.detected_at_ms,
    kind: 'observed',
    source: 'violation',
    subject: rule_id,
    severity: violation.severity,
    title: violation.title,
    service,
    agent_name,
    workflow,
    run_id: violation.run_id,
    detail: JSON.stringify({
      violation_id: violation.violation_id,
      rule_version: violation.rule_version,
      mode: violation.mode,
      trace_id: violation.trace_id,
      span_id: violation.span_id,
      evidence_level: violation.evidence_level,
    }),
  };
};

/** An agent and a workflow of one name are two. */
const whoOf = ({ agent_name, workflow, service }: PolicyViolation): readonly string[] =>
  agent_name !== null ? ['agent', agent_name] : workflow !== null ? ['workflow', workflow] : ['service', service];

/** Violations in, observations out; keeps nothing, so a replay says the same. */
export const createViolationProcessor = (): BatchProcessor => ({
  build: async (batch) => {
    const produce: OutgoingRecord[] = [];
    const deadLetters: OutgoingRecord[] = [];
    const refused: Row[] = [];
    let filtered = 0;
    for (const record of batch.records) {
      const decoded = decodePolicyViolation(record.value);
      if (decoded.kind === 'refused') {
        deadLetters.push(deadLetterOf(batch, record, decoded.reason, ALERTER));
        refused.push(deadLetterRow(batch, record, { index: 0, ...decoded }, ALERTER));
        continue;
      }
      const event = observationOf(decoded.value);
      if (event === null) filtered += 1;
      else produce.push(recordOf(event));
    }
    const tables = refused.length === 0 ? [] : [deadLetterTable(refused)];
    return { tables, produce, deadLetters, counts: { duplicates: 0, filtered, empty: 0, hours: [] } };
  },
  landed: () => {},
});
