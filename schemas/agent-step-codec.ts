import type { AgentStep } from './agent-step.ts';
import { unsoundField } from './agent-step-check.ts';
import { createAvroCodec } from './avro/codec.ts';
import { type Outcome, ok, refused } from './outcome.ts';

/** Schema id in the Confluent framing. A new schema gets a new id; readers keep the old ones. */
export const AGENT_STEP_SCHEMA_ID = 2;

const codec = createAvroCodec('agent-step', AGENT_STEP_SCHEMA_ID);

/** The step as a record of `agent_steps`: 0x00, schema id (big-endian), Avro `avro/agent-step.avsc`. */
export const encodeAgentStep = (step: AgentStep): Uint8Array => codec.encode(step);

/** Reads a record of `agent_steps`; refused as `malformed_avro` when the framing, the id, the bytes or a value are not ours. */
export const decodeAgentStep = (bytes: Uint8Array): Outcome<AgentStep> => {
  const decoded = codec.decode(bytes);
  if (decoded.kind === 'refused') return decoded;
  const step = decoded.value as AgentStep;
  const unsound = unsoundField(step);
  return unsound === null ? ok(step) : refused('malformed_avro', `${unsound} is not what a step can say`);
};
