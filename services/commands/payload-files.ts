import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { decodeOpenaiAgentsIngest } from '../../schemas/openai-agents-ingest.ts';
import { countMetrics } from '../../schemas/otlp/count-metrics.ts';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { encodeLogs, encodeTraces } from '../../schemas/otlp/encode.ts';
import type { OtlpRequest } from '../../schemas/otlp/types.ts';
import type { Outcome } from '../../schemas/outcome.ts';
import type { OtlpPayload, OtlpSignal } from '../runtime/otlp-sender.ts';

/**
 * A payload with where it came from. `skipped`: a file that holds something else, with the reason. `unreadable`: what
 * stands behind `source` could not be read; what stood before it was.
 */
export type FilePayload =
  | { readonly kind: 'payload'; readonly source: string; readonly payload: OtlpPayload }
  | { readonly kind: 'skipped' | 'unreadable'; readonly source: string; readonly reason: string };

/** Every file below the given paths that may hold recorded OTLP, in name order (so in order of arrival). */
export const listFiles = (paths: readonly string[]): readonly string[] =>
  paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && isPayloadName(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  });

const isPayloadName = (name: string): boolean =>
  /\.(bin|json|ndjson|ndjson\.gz)$/.test(name) &&
  !name.endsWith('.meta.json') &&
  name !== 'index.json' &&
  name !== 'expected.json';

/**
 * Reads one file: `.bin` protobuf, `.json` OTLP/JSON, `.ndjson[.gz]` one export request a line. A `.meta.json` beside
 * it may name the signal; otherwise it is told by the content. What the OpenAI Agents SDK exports by itself becomes the
 * OTLP that the receiver makes of it.
 */
export async function* readPayloads(file: string): AsyncGenerator<FilePayload> {
  try {
    if (/\.ndjson(\.gz)?$/.test(file)) yield* readLines(file);
    else yield* readWhole(file);
  } catch (cause) {
    yield { kind: 'unreadable', source: file, reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

const readWhole = (file: string): readonly FilePayload[] => {
  const body = readFileSync(file);
  const named = namedSignal(file);
  const isJson = file.endsWith('.json');
  if (isJson && (named === null || named === 'other') && isIngest(body)) return ingestPayloads(file, body);
  if (named === 'other') return [{ kind: 'skipped', source: file, reason: 'not OTLP (its .meta.json says so)' }];
  const signal = named ?? (isJson ? signalOfJson(body) : signalOfProtobuf(body));
  if (signal === null) return [{ kind: 'skipped', source: file, reason: 'neither traces, logs nor metrics' }];
  const contentType = isJson ? 'application/json' : 'application/x-protobuf';
  return [{ kind: 'payload', source: file, payload: { signal, body, contentType } }];
};

/** How a body of the OpenAI Agents SDK begins, and what its items call themselves. */
const INGEST = /^\s*\{\s*"data"\s*:\s*\[/;
const INGEST_ITEM = /"object"\s*:\s*"trace(?:\.span)?"/;

const isIngest = (body: Uint8Array): boolean => {
  const head = headOf(body);
  return INGEST.test(head) && INGEST_ITEM.test(head);
};

const ingestPayloads = (source: string, body: Uint8Array): readonly FilePayload[] => {
  const request = decodeOpenaiAgentsIngest(body);
  if (request.kind === 'refused') return [{ kind: 'skipped', source, reason: request.detail }];
  const { spans, logs, refusals } = request.value;
  const payload = (signal: OtlpSignal, bytes: Uint8Array): FilePayload => ({
    kind: 'payload',
    source,
    payload: { signal, body: bytes, contentType: 'application/x-protobuf' },
  });
  return [
    ...(spans.length === 0 ? [] : [payload('traces', encodeTraces(spans))]),
    ...(logs.length === 0 ? [] : [payload('logs', encodeLogs(logs))]),
    ...refusals.map(
      ({ index, detail }): FilePayload => ({ kind: 'skipped', source, reason: `item ${index}: ${detail}` }),
    ),
  ];
};

async function* readLines(file: string): AsyncGenerator<FilePayload> {
  const raw = createReadStream(file);
  const input = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  // pipe() hands no errors on.
  if (input !== raw) raw.once('error', (error) => input.destroy(error));
  let line = 0;
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1;
    if (text.trim() === '') continue;
    const body = Buffer.from(text, 'utf8');
    const source = `${file}:${line}`;
    const signal = signalOfJson(body);
    if (signal === null && isIngest(body)) yield* ingestPayloads(source, body);
    else if (signal === null) yield { kind: 'skipped', source, reason: 'neither traces, logs nor metrics' };
    else yield { kind: 'payload', source, payload: { signal, body, contentType: 'application/json' } };
  }
}

const META_SIGNALS: ReadonlySet<string> = new Set(['traces', 'logs', 'metrics', 'other']);

const namedSignal = (file: string): OtlpSignal | 'other' | null => {
  const meta = file.replace(/\.(bin|json)$/, '.meta.json');
  if (!existsSync(meta)) return null;
  try {
    const parsed: unknown = JSON.parse(readFileSync(meta, 'utf8'));
    const signal = typeof parsed === 'object' && parsed !== null && 'signal' in parsed ? String(parsed.signal) : '';
    return META_SIGNALS.has(signal) ? (signal as OtlpSignal | 'other') : null;
  } catch {
    return null;
  }
};

const JSON_KEYS: readonly (readonly [RegExp, OtlpSignal])[] = [
  [/"resource_?[sS]pans"/, 'traces'],
  [/"resource_?[lL]ogs"/, 'logs'],
  [/"resource_?[mM]etrics"/, 'metrics'],
];

/** The signal of an OTLP/JSON request is its one top-level key: near the start unless somebody sorted keys. */
const signalOfJson = (body: Uint8Array): OtlpSignal | null => {
  const head = headOf(body);
  return JSON_KEYS.find(([pattern]) => pattern.test(head))?.[1] ?? null;
};

const headOf = (body: Uint8Array): string =>
  Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 4096)).toString('utf8');

/**
 * Protobuf has no names, but the three requests differ inside: a span begins with its ids, a log record with a time.
 * Whichever reads without a refusal is it; a damaged file goes where most files belong, and is answered there.
 */
const signalOfProtobuf = (body: Uint8Array): OtlpSignal => {
  const traces = decodeTraces(body, 'protobuf');
  if (isWhole(traces)) return 'traces';
  if (isWhole(decodeLogs(body, 'protobuf'))) return 'logs';
  const points = countMetrics(body, 'protobuf');
  return points.kind === 'ok' && points.value > 0 ? 'metrics' : 'traces';
};

const isWhole = (decoded: Outcome<OtlpRequest<unknown>>): boolean =>
  decoded.kind === 'ok' && decoded.value.items.length > 0 && decoded.value.refusals.length === 0;
