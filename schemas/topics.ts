/** The topics. Names are a contract (design 5); `keyed by` says what meets in one partition. */
export const TOPICS = {
  spans: 'otlp_spans', // keyed by run_key; OTLP ExportTraceServiceRequest
  logs: 'otlp_logs', // keyed by run_key; OTLP ExportLogsServiceRequest
  actions: 'action_events', // keyed by tenant|run_key; Avro action-event
  steps: 'agent_steps', // keyed by tenant|run_key; Avro agent-step
  violations: 'policy_violations', // keyed by tenant|run_key; Avro policy-violation
  incidents: 'incident_events', // keyed by incident id; Avro incident-event
  controls: 'control_events', // keyed by tenant|run_key; Avro control-event; read by agents, not by a service
} as const;

/** Topic of the dead letters of a topic. */
export const dlqOf = (topic: string): string => `${topic}.dlq`;

/** Consumer group of a service. A contract. */
export const groupOf = (service: string): string => `tacho-${service}`;

/**
 * Header on the second and later records that one request gave of one run, counting from 1: equal log records of a
 * request are told apart by their ordinal, so a reader must know which part of the request it holds.
 */
export const PART_HEADER = 'x-tacho-part';

/** Header of a record of `agent_steps` that is meant for one fold: its name. Others pass over it. */
export const ONLY_FOR_HEADER = 'x-tacho-only-for';

const MIB = 1024 * 1024;
/** A record our receiver writes is split to this size; one single larger span may use up to SPAN_BYTES_MAX. */
export const RECORD_BYTES_TARGET = 900 * 1024;
/** The largest single span or request body taken (design 9). */
export const SPAN_BYTES_MAX = 20 * MIB;
/** Topic limit: SPAN_BYTES_MAX plus room for key, headers and framing. */
export const TOPIC_RECORD_BYTES_MAX = 21 * MIB;
