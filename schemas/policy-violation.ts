import { createAvroCodec } from './avro/codec.ts';
import { type Outcome, ok, refused } from './outcome.ts';
import { isTenant } from './tenant.ts';

/** How bad, from "worth a look" to "wake somebody". In ascending order. */
export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a rule asks for. `monitor` is recorded only; the others become incidents. */
export const RULE_MODES = ['monitor', 'alert', 'recommend-block'] as const;
export type RuleMode = (typeof RULE_MODES)[number];

/** How strong the proof is: before in the run, in the model's input, or the value itself. In ascending order. */
export const EVIDENCE_LEVELS = ['order', 'context', 'value'] as const;
export type EvidenceLevel = (typeof EVIDENCE_LEVELS)[number];

/** One breach of a rule or detector: a record of `policy_violations` and, with its times as DateTime64, a row of the table. */
export interface PolicyViolation {
  /** Deterministic: the same steps under the same rule give the same id, whatever the order they came in. */
  readonly violation_id: string;
  readonly tenant_id: string;
  /** End of the step that broke the rule, µs since 1970. */
  readonly ts_unix_micros: number;
  /** Log time of the step that completed the evidence, ms since 1970. */
  readonly detected_at_ms: number;
  readonly rule_id: string;
  readonly rule_version: string;
  readonly ruleset_hash: string;
  readonly severity: Severity;
  readonly mode: RuleMode;
  readonly title: string;
  readonly run_id: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly step_id: string;
  /** Where the evidence begins, when it spans several steps. */
  readonly source_span_id: string | null;
  readonly service: string;
  readonly agent_name: string | null;
  readonly workflow: string | null;
  readonly user_id: string | null;
  /** JSON object: the path and the inputs judged, redacted. */
  readonly evidence: string;
  readonly evidence_level: EvidenceLevel;
  readonly detected_by: 'stream' | 'backfill';
}

/** Schema id in the Confluent framing. */
export const POLICY_VIOLATION_SCHEMA_ID = 3;

const codec = createAvroCodec('policy-violation', POLICY_VIOLATION_SCHEMA_ID);

/** The violation as a record of `policy_violations`: 0x00, schema id (big-endian), Avro. */
export const encodePolicyViolation = (violation: PolicyViolation): Uint8Array => codec.encode(violation);

/** Reads a record of `policy_violations`; refused as `malformed_avro` when frame, bytes or a value are not ours. */
export const decodePolicyViolation = (bytes: Uint8Array): Outcome<PolicyViolation> => {
  const decoded = codec.decode(bytes);
  if (decoded.kind === 'refused') return decoded;
  const violation = decoded.value as PolicyViolation;
  const unsound = unsoundField(violation);
  return unsound === null ? ok(violation) : refused('malformed_avro', `${unsound} is not what a violation can say`);
};

const ID = /^[A-Za-z0-9_-]{1,64}$/;
/** The year 2112, as for steps. */
const MICROS_MAX = 4_503_599_627_370_495;

const unsoundField = (violation: PolicyViolation): string | null => {
  if (!isTenant(violation.tenant_id)) return 'tenant_id';
  if (!ID.test(violation.violation_id)) return 'violation_id';
  if (!ID.test(violation.run_id)) return 'run_id';
  if (!isWithin(violation.ts_unix_micros, MICROS_MAX)) return 'ts_unix_micros';
  if (!isWithin(violation.detected_at_ms, MICROS_MAX / 1000)) return 'detected_at_ms';
  if (!SEVERITIES.includes(violation.severity)) return 'severity';
  if (!RULE_MODES.includes(violation.mode)) return 'mode';
  return EVIDENCE_LEVELS.includes(violation.evidence_level) ? null : 'evidence_level';
};

const isWithin = (value: number, max: number): boolean => value >= 0 && value <= max;
