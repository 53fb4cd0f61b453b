import { readFileSync } from 'node:fs';
import avro from 'avsc';
import type { AgentStep } from './agent-step.ts';
import { unsoundField } from './agent-step-check.ts';
import { type AvroSchema, isAvroSound } from './avro/guard.ts';
import { type Outcome, ok, refused } from './outcome.ts';

/** Schema id in the Confluent framing. A new schema gets a new id; readers keep the old ones. */
export const AGENT_STEP_SCHEMA_ID = 2;
const MAGIC = 0x00;
const HEADER_BYTES = 5;

interface Schema {
  readonly json: AvroSchema;
  readonly type: avro.Type;
}

let cached: Schema | undefined;
/** Parsed at first use: importing a module does no work. */
const schema = (): Schema => {
  if (cached === undefined) {
    const json = JSON.parse(readFileSync(new URL('./avro/agent-step.avsc', import.meta.url), 'utf8'));
    cached = { json, type: avro.Type.forSchema(json, { omitRecordMethods: true }) };
  }
  return cached;
};

/** The step as a record of `agent_steps`: 0x00, schema id (big-endian), Avro `avro/agent-step.avsc`. */
export const encodeAgentStep = (step: AgentStep): Uint8Array => {
  const body = schema().type.toBuffer(step);
  const framed = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  framed.writeUInt8(MAGIC, 0);
  framed.writeUInt32BE(AGENT_STEP_SCHEMA_ID, 1);
  framed.set(body, HEADER_BYTES);
  return framed;
};

/** Reads a record of `agent_steps`; refused as `malformed_avro` when the framing, the id, the bytes or a value are not ours. */
export const decodeAgentStep = (bytes: Uint8Array): Outcome<AgentStep> => {
  if (bytes.length === 0) return refused('empty_record', 'a record without bytes');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length <= HEADER_BYTES || buffer.readUInt8(0) !== MAGIC) {
    return refused('malformed_avro', 'no Confluent framing (0x00 and a schema id)');
  }
  const id = buffer.readUInt32BE(1);
  if (id !== AGENT_STEP_SCHEMA_ID) return refused('malformed_avro', `unknown schema id ${id}`);
  const body = buffer.subarray(HEADER_BYTES);
  if (!isAvroSound(schema().json, body)) return refused('malformed_avro', 'the bytes do not follow agent-step.avsc');
  try {
    const step = schema().type.fromBuffer(body) as AgentStep;
    const unsound = unsoundField(step);
    return unsound === null ? ok(step) : refused('malformed_avro', `${unsound} is not what a step can say`);
  } catch (error) {
    return refused(
      'malformed_avro',
      error instanceof Error ? error.message.slice(0, 200) : 'bytes that do not follow the schema',
    );
  }
};
