import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { normalizeBatch } from '../../services/normalizer/processor.ts';
import { createRedactor } from '../../services/normalizer/redact.ts';
import type { NormalizerSource } from '../../services/normalizer/settings.ts';
import type { Convention } from '../../services/normalizer/step-facts.ts';
import { buildIngestRecords } from '../../services/receiver/export-request.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url);
const LOGGED_AT_MS = 1_795_100_000_000;

interface CaptureMeta {
  readonly file: string;
  readonly signal: string;
}

const sourceOf = (signal: 'spans' | 'logs'): NormalizerSource => ({
  topic: `otlp_${signal}`,
  signal,
  tenant: 'golden',
  tenant_from: 'header',
  vantage: 'agent',
});

/**
 * The steps the real normalizer makes of a capture's payloads, each payload one log record; with `conventions` in place
 * of all families.
 */
export const stepsOfCapture = (emitter: string, conventions?: readonly Convention[]): readonly AgentStep[] => {
  const options = { redactor: createRedactor(true), mode: 'full', ...(conventions && { conventions }) } as const;
  const folder = new URL(`captures/${emitter}/`, FIXTURES);
  const metas = readdirSync(folder)
    .filter((name) => name.endsWith('.meta.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as CaptureMeta);
  const values = metas.flatMap(({ file, signal }) => valuesOf(readFileSync(new URL(file, folder)), signal, file));
  return values.flatMap(({ file, signal, value }, offset) => {
    const source = sourceOf(signal);
    const record = { offset, timestampMs: LOGGED_AT_MS, key: null, value, headers: {} };
    const batch = {
      logId: 'golden',
      topic: source.topic,
      partition: 0,
      first: offset,
      end: offset + 1,
      records: [record],
      variant: '',
      batchId: createHash('sha256').update(`${emitter}/${offset}`).digest('hex').slice(0, 32),
    };
    const { output } = normalizeBatch(batch, source, () => false, options);
    return output.produce.map(({ value }) => {
      const decoded = decodeAgentStep(value);
      if (decoded.kind === 'refused') throw new Error(`${emitter}/${file}: ${decoded.detail}`);
      return decoded.value;
    });
  });
};

interface Value {
  readonly file: string;
  readonly signal: 'spans' | 'logs';
  readonly value: Uint8Array;
}

/** What the log holds of a payload: OTLP as it came; what is none, as the receiver writes it. Metrics are not kept. */
const valuesOf = (bytes: Uint8Array, signal: string, file: string): readonly Value[] => {
  if (signal === 'traces') return [{ file, signal: 'spans', value: bytes }];
  if (signal === 'logs') return [{ file, signal: 'logs', value: bytes }];
  if (signal !== 'other') return [];
  const built = buildIngestRecords(bytes, { tenant: 'golden', vantage: 'agent', timeShiftMs: '' });
  if (built.kind === 'refused') throw new Error(`${file}: ${built.detail}`);
  return built.value.records.map(({ topic, value }) => ({
    file,
    signal: topic === 'otlp_spans' ? 'spans' : 'logs',
    value,
  }));
};

/** Reads a JSON file of the fixtures. */
export const readFixture = (name: string): unknown => JSON.parse(readFileSync(new URL(name, FIXTURES), 'utf8'));
