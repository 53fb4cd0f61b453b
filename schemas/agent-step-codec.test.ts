import { describe, expect, test } from 'vitest';
import type { AgentStep, StepCall } from './agent-step.ts';
import { decodeAgentStep, encodeAgentStep } from './agent-step-codec.ts';

const CALL: StepCall = {
  role: 'leaf',
  operation: 'chat',
  outcome: 'ok',
  input_tokens: 0,
  cache_read_tokens: null,
  cache_write_tokens: 7,
  cache_write_1h_tokens: null,
  output_tokens: 12,
  reasoning_tokens: null,
  audio_input_tokens: null,
  audio_output_tokens: null,
  untold: ['reasoning'],
  estimated: false,
  quantities: { images: 1.5 },
  reported_cost_usd: '0.1',
};
const STEP: AgentStep = {
  tenant_id: 'default',
  step_id: 'a'.repeat(32),
  run_id: 'b'.repeat(32),
  signal: 'span',
  vantage: 'agent',
  start_unix_micros: 1_795_228_839_342_000,
  end_unix_micros: 1_795_228_839_343_000,
  logged_at_ms: 1_795_228_839_999,
  log_id: 'log',
  log_topic: 'otlp_spans',
  log_partition: 1,
  log_offset: 12,
  log_index: 3,
  trace_id: 'c'.repeat(32),
  span_id: 'd'.repeat(16),
  parent_span_id: '',
  links: [{ trace_id: 'e'.repeat(32), span_id: 'f'.repeat(16) }],
  step_kind: 'llm',
  name: 'chat gpt-5 ✓',
  service: 'shop',
  environment: null,
  family: 'otel-gen-ai',
  scope_name: 's',
  scope_version: '1',
  session_id: 'sess-42',
  agent_name: null,
  agent_id: null,
  agent_version: null,
  workflow: null,
  user_id: null,
  on_behalf_of: null,
  account: null,
  tool_name: null,
  tool_call_id: null,
  tool_arguments: null,
  tool_arguments_hash: null,
  tool_result_hash: null,
  tool_schema_hash: null,
  prompt_name: null,
  prompt_version: null,
  provider: 'openai',
  request_model: 'gpt-5',
  response_model: null,
  response_id: null,
  region: null,
  service_tier: null,
  call: CALL,
  status: 'ok',
  error_type: null,
  error_message: null,
  attempt: 2,
  flags: ['streamed'],
  labels: { tier: 'gold' },
  facts: { 'pii.input': 'email' },
};

describe('agent step codec', () => {
  test('gives back what it was given, null and 0 apart', () => {
    const decoded = decodeAgentStep(encodeAgentStep(STEP));
    expect(JSON.parse(JSON.stringify(decoded))).toEqual({ kind: 'ok', value: STEP });
  });

  test('frames as Confluent does: 0x00 and the schema id', () => {
    expect([...encodeAgentStep(STEP).subarray(0, 5)]).toEqual([0, 0, 0, 0, 2]);
  });

  test.each([
    ['no bytes', new Uint8Array(), 'empty_record'],
    ['no framing', new Uint8Array([1, 2, 3, 4, 5, 6]), 'malformed_avro'],
    ['an unknown schema', new Uint8Array([0, 0, 0, 0, 9, 1]), 'malformed_avro'],
    ['bytes that end early', encodeAgentStep(STEP).subarray(0, 60), 'malformed_avro'],
    ['bytes left over', new Uint8Array([...encodeAgentStep(STEP), 0]), 'malformed_avro'],
    ['a huge length', new Uint8Array([0, 0, 0, 0, 2, 255, 255, 255, 255, 15]), 'malformed_avro'],
  ])('refuses %s', (_name, bytes, reason) => {
    expect(decodeAgentStep(bytes)).toMatchObject({ kind: 'refused', reason });
  });

  const call = (over: Partial<StepCall>): Partial<AgentStep> => ({ call: { ...CALL, ...over } });
  test.each<[string, Partial<AgentStep>]>([
    ['tenant_id', { tenant_id: 'a|b' }],
    ['tenant_id', { tenant_id: '' }],
    ['run_id', { run_id: 'a|b' }],
    ['step_id', { step_id: '' }],
    ['signal', { signal: 'metric' as 'span' }],
    ['step_kind', { step_kind: 'constructor' as 'llm' }],
    ['start_unix_micros', { start_unix_micros: -1 }],
    ['logged_at_ms', { logged_at_ms: 4_503_599_627_370_495 }],
    ['log_partition', { log_partition: -1 }],
    ['log_offset', { log_offset: -5 }],
    ['log_index', { log_index: -1 }],
    ['call.role', call({ role: 'root' as 'leaf' })],
    ['call.input_tokens', call({ input_tokens: -5 })],
    ['call.output_tokens', call({ output_tokens: 4_503_599_627_370_495 })],
    ['call.quantities', call({ quantities: { web_searches: 1e308 } })],
    ['call.quantities', call({ quantities: { images: Number.NaN } })],
    ['call.reported_cost_usd', call({ reported_cost_usd: '1e300' })],
  ])('refuses a %s that the schema allows and the books cannot keep', (field, over) => {
    expect(decodeAgentStep(encodeAgentStep({ ...STEP, ...over }))).toEqual({
      kind: 'refused',
      reason: 'malformed_avro',
      detail: `${field} is not what a step can say`,
    });
  });
});

test('a step larger than any before it, and the small one after it, read back whole', () => {
  for (const length of [10, 70_000, 500_000, 10]) {
    const step = { ...STEP, facts: { large: 'ä'.repeat(length) } };
    const read = decodeAgentStep(encodeAgentStep(step));
    expect(read.kind === 'ok' && read.value.facts['large']).toBe(step.facts.large);
  }
  // What was handed out before is not written over.
  const first = encodeAgentStep(STEP);
  const copy = Buffer.from(first);
  encodeAgentStep({ ...STEP, name: 'another' });
  expect(Buffer.from(first).equals(copy)).toBe(true);
});
