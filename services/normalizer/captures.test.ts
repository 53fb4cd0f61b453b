import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { captures } from '../../test/support/captures.ts';
import { normalize, recordOf, rowsOf, stepsOf, textOfOutput } from './batch-fixture.ts';
import type { NormalizedBatch } from './processor.ts';

const FIXTURES = new URL('../../test/fixtures/', import.meta.url);
const fixture = (name: string) => JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8'));
const index = fixture('index.json').emitters;
const expected = fixture('expected.json').emitters;

const payloads = captures()
  .filter(({ signal }) => signal === 'traces' || signal === 'logs')
  .map((capture) => ({
    ...capture,
    emitter: capture.name.split('/')[0] ?? '',
    file: capture.name.split('/')[1] ?? '',
  }));

const normalized = new Map<string, NormalizedBatch>();
for (const { name, signal, bytes } of payloads) {
  normalized.set(name, normalize([recordOf(bytes)], signal === 'traces' ? 'spans' : 'logs'));
}
const batchOfPayload = (name: string): NormalizedBatch => {
  const found = normalized.get(name);
  if (found === undefined) throw new Error(name);
  return found;
};
const stepsOfEmitter = (emitter: string): readonly AgentStep[] =>
  payloads.filter((payload) => payload.emitter === emitter).flatMap(({ name }) => stepsOf(batchOfPayload(name)));

describe('every recorded payload', () => {
  test.each(payloads)('$name: each span and log record is one row and one step', ({ name, emitter, file }) => {
    const batch = batchOfPayload(name);
    const rows = rowsOf(batch, 'spans');
    // A recording that came with its convention is not in the index: what it holds is counted by nobody else.
    const meta = index[emitter]?.files.find((entry: { file: string }) => entry.file.endsWith(file));
    const items = meta === undefined ? rows.length : (meta.spans ?? 0) + (meta.log_records ?? 0);
    expect(items).toBeGreaterThan(0);
    expect(rows.length + batch.output.counts.duplicates).toBe(items);
    expect(batch.output.deadLetters).toEqual([]);
    expect(new Set(rows.map((row) => row['step_id'])).size).toBe(rows.length);
    const steps = stepsOf(batch);
    expect(steps.map((step) => step.step_id)).toEqual(rows.map((row) => row['step_id']));
    for (const row of rows) {
      expect(row['run_id']).toMatch(/^[0-9a-f]{32}$/);
      expect(row['step_kind']).not.toBe('');
      expect(row['ts']).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9}$/);
      expect(row['name']).not.toBe('');
      expect(row['log_offset']).toBe(0);
    }
  });

  test('no secret and no card number reaches a row or a step', () => {
    for (const { name } of payloads) {
      const batch = batchOfPayload(name);
      const stored = textOfOutput(batch.output) + JSON.stringify(stepsOf(batch));
      expect(stored).not.toContain('AKIAIOSFODNN7EXAMPLE');
      expect(stored).not.toContain('4111 1111 1111 1111');
    }
  });

  test('content never stands in the attributes of a span', () => {
    for (const { name } of payloads) {
      for (const row of rowsOf(batchOfPayload(name), 'spans')) {
        const leaks = Object.entries(row['attributes'] as object)
          .filter(([, value]) => String(value).includes('jane.doe@example.com'))
          .map(([key]) => `${name} ${key}`);
        expect(leaks).toEqual([]);
      }
    }
  });

  test('what the agent read and wrote is in span_content, with the personal data named', () => {
    for (const emitter of OFFICIAL) {
      const parts = payloads
        .filter((payload) => payload.emitter === emitter)
        .flatMap(({ name }) => rowsOf(batchOfPayload(name), 'span_content'));
      const mail = parts.find((part) => String(part['content']).includes('jane.doe@example.com'));
      // The default options of AI SDK 7 over gRPC record content as well.
      expect(mail?.['pii_classes'], emitter).toContain('email');
      expect(new Set(parts.map((part) => part['role'])).has('assistant'), emitter).toBe(true);
      expect(
        parts.some((part) => part['part_kind'] === 'tool_call'),
        emitter,
      ).toBe(true);
    }
  });
});

const OFFICIAL = ['otel-openai', 'vercel-ai7', 'vercel-ai7-default', 'genkit', 'google-adk', 'strands'];

/**
 * One call told by two instrumentations: same totals, another scope (three of Strands' twins stand in traces of their
 * own). Every figure is unique in these captures; the ledger does this with more care.
 */
const withoutTwins = (calls: readonly AgentStep[]): readonly AgentStep[] => {
  const seen = new Map<string, string>();
  return calls.filter((step) => {
    const { call } = step;
    const input = (call?.input_tokens ?? 0) + (call?.cache_read_tokens ?? 0) + (call?.cache_write_tokens ?? 0);
    const output = (call?.output_tokens ?? 0) + (call?.reasoning_tokens ?? 0);
    const key = `${input}|${output}`;
    const scope = seen.get(key);
    seen.set(key, scope ?? step.scope_name);
    return scope === undefined || scope === step.scope_name;
  });
};

const sum = (calls: readonly AgentStep[], ...buckets: readonly (keyof NonNullable<AgentStep['call']>)[]): number =>
  calls.reduce((total, { call }) => total + buckets.reduce((part, bucket) => part + Number(call?.[bucket] ?? 0), 0), 0);

describe('model calls', () => {
  test.each(OFFICIAL)('%s: calls and tokens are those that can be recovered', (emitter) => {
    const truth = expected[emitter];
    const leaves = stepsOfEmitter(emitter).filter((step) => step.call?.role === 'leaf');
    const answered = leaves.filter((step) => step.call?.outcome === 'ok');
    const told = withoutTwins(answered.filter((step) => step.call?.input_tokens !== null));
    expect({
      calls: told.length,
      unknown: answered.filter((step) => step.call?.input_tokens === null).length,
      failed: leaves.length - answered.length,
      input_uncached: sum(told, 'input_tokens'),
      cache_read: sum(told, 'cache_read_tokens'),
      cache_write: sum(told, 'cache_write_tokens', 'cache_write_1h_tokens'),
      output_text: sum(told, 'output_tokens'),
      reasoning: sum(told, 'reasoning_tokens'),
    }).toEqual({
      calls: truth.calls.visible_with_true_usage,
      unknown: truth.calls.visible_without_usage,
      failed: truth.calls.failed_visible,
      input_uncached: truth.recoverable.input_uncached,
      cache_read: truth.recoverable.cache_read,
      cache_write: truth.recoverable.cache_write,
      output_text: truth.recoverable.output_text,
      reasoning: truth.recoverable.reasoning,
    });
  });

  test.each(OFFICIAL)('%s: models, providers and sessions are named', (emitter) => {
    const steps = stepsOfEmitter(emitter);
    const calls = steps.filter((step) => step.call?.role === 'leaf' && step.call.outcome === 'ok');
    const models = new Map<string, number>();
    for (const step of withoutTwins(calls.filter((step) => step.call?.input_tokens !== null))) {
      const model = step.response_model ?? step.request_model ?? '';
      models.set(model, (models.get(model) ?? 0) + 1);
      expect(['openai', 'anthropic', 'gcp.gemini']).toContain(step.provider);
    }
    if (emitter !== 'strands') {
      expect(Object.fromEntries(models)).toEqual(
        Object.fromEntries(
          Object.entries<{ calls: number }>(expected[emitter].by_model).map(([model, { calls }]) => [model, calls]),
        ),
      );
    }
    if (emitter !== 'vercel-ai7-default') expect(steps.some((step) => step.session_id === 'sess-42')).toBe(true);
    if (!['google-adk', 'vercel-ai7-default'].includes(emitter)) {
      expect(steps.some((step) => step.user_id === 'user-7')).toBe(true);
    }
  });

  test.each(OFFICIAL)('%s: tools, their failures and agents are seen', (emitter) => {
    const steps = stepsOfEmitter(emitter);
    const tools = steps.filter((step) => step.step_kind === 'tool');
    expect(new Set(tools.map((step) => step.tool_name))).toContain('issue_refund');
    expect(tools.filter((step) => step.tool_name === 'check_fraud' && step.status === 'error')).not.toEqual([]);
    expect(steps.some((step) => step.step_kind === 'agent' && step.agent_name !== null)).toBe(true);
    if (emitter !== 'otel-openai') {
      const refund = tools.find((step) => step.tool_name === 'issue_refund');
      expect(JSON.parse(refund?.tool_arguments ?? '')).toEqual({ amount: 129.95, currency: 'EUR', order_id: 'A-1001' });
      expect(refund?.tool_result_hash).not.toBeNull();
    }
  });
});
