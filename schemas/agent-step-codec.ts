import type { AgentStep } from './agent-step.ts';
import { unsoundField } from './agent-step-check.ts';
import { createAvroCodec, ID_FRAME_BYTES, MAGIC_ID } from './avro/codec.ts';
import { type Outcome, ok, refused } from './outcome.ts';

/** Schema id in the Confluent framing. A new schema gets a new id; readers keep the old ones. */
export const AGENT_STEP_SCHEMA_ID = 2;

const codec = createAvroCodec('agent-step', AGENT_STEP_SCHEMA_ID);

/** The step as a record of `agent_steps`: 0x00, schema id (big-endian), Avro `avro/agent-step.avsc`. */
export const encodeAgentStep = (step: AgentStep): Uint8Array => codec.encode(step);

/** Reads a record of `agent_steps`; refused as `malformed_avro` when the framing, the id, the bytes or a value are not ours. */
export const decodeAgentStep = (bytes: Uint8Array): Outcome<AgentStep> => {
  if (bytes.length === 0) return refused('empty_record', 'a record without bytes');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length <= ID_FRAME_BYTES || buffer.readUInt8(0) !== MAGIC_ID) {
    return refused('malformed_avro', 'no Confluent framing (0x00 and a schema id)');
  }
  const id = buffer.readUInt32BE(1);
  if (id !== AGENT_STEP_SCHEMA_ID) return refused('malformed_avro', `unknown schema id ${id}`);
  const decoded = codec.decodeBody(buffer.subarray(ID_FRAME_BYTES));
  if (decoded.kind === 'refused') return decoded;
  const step = decoded.value as AgentStep;
  const unsound = unsoundField(step);
  return unsound === null ? ok(step) : refused('malformed_avro', `${unsound} is not what a step can say`);
};
