import { afterEach } from 'vitest';
import { AttributeList } from '../../schemas/otlp/attribute-list.ts';
import { decodeTraces } from '../../schemas/otlp/decode.ts';
import type { OtlpItem, OtlpSpan } from '../../schemas/otlp/types.ts';
import { createReceiver, type Receiver, type ReceiverSettings } from '../../services/receiver/service.ts';
import { createAccess, type TokenEntry } from '../../services/runtime/access-tokens.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import type { EventLog, Logger, LogRecord } from '../../services/runtime/ports.ts';

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => SILENT,
};
const TOPICS = ['otlp_spans', 'otlp_logs'];

const running: Receiver[] = [];
afterEach(async () => {
  for (const receiver of running.splice(0)) await receiver.drain();
});

interface Setup {
  readonly settings?: Partial<ReceiverSettings>;
  readonly tokens?: readonly TokenEntry[];
  readonly wrap?: (log: EventLog) => EventLog;
  readonly stopped?: () => string;
}

/** A receiver on a free port over a memory log; drained after each test. */
export const start = async ({ settings = {}, tokens = [], wrap = (log) => log, stopped }: Setup = {}) => {
  const memory = createMemoryEventLog({ clock: systemClock, random: systemRandom });
  await memory.ensureTopics(
    TOPICS.map((topic) => ({ topic, partitions: 2, retentionMs: 3_600_000, recordBytesMax: 21 * 1024 * 1024 })),
  );
  const metrics = createMetrics();
  const receiver = createReceiver(
    {
      host: '127.0.0.1',
      port: 0,
      grpcPort: 0,
      bodyBytesMax: 20 * 1024 * 1024,
      inFlightBytesMax: 64 * 1024 * 1024,
      ...settings,
    },
    {
      log: wrap(memory),
      access: createAccess({ tokens, requireTokens: tokens.length > 0, allowedHosts: [] }),
      clock: systemClock,
      random: systemRandom,
      logger: SILENT,
      metrics,
      ...(stopped === undefined ? {} : { stopped }),
    },
  );
  await receiver.start();
  running.push(receiver);
  return {
    receiver,
    metrics,
    log: memory,
    url: `http://127.0.0.1:${receiver.address().port}`,
    grpcPort: receiver.address().grpcPort,
  };
};

/** Every record of a topic, read back through a consumer group of its own. */
export const recordsOf = async (log: EventLog, topic: string): Promise<readonly LogRecord[]> => {
  const wanted = (await log.ranges(topic)).reduce((sum, range) => sum + range.end - range.start, 0);
  const records: LogRecord[] = [];
  if (wanted === 0) return records;
  const done = Promise.withResolvers<void>();
  const consumer = await log.consume({
    group: `test-${Math.random()}`,
    topics: [topic],
    recordsMax: 1000,
    bytesMax: 1e9,
    lingerMs: 1,
    idleMs: 10_000,
    assigned: async () => ({
      startOffset: 0,
      onBatch: async (batch) => {
        records.push(...batch.records);
        if (records.length >= wanted) done.resolve();
        return 'continue';
      },
      onIdle: async () => undefined,
    }),
    onCrash: done.reject,
  });
  await done.promise;
  await consumer.close();
  return records;
};

/** Every span in the log, decoded. */
export const spansIn = async (log: EventLog): Promise<OtlpSpan[]> =>
  (await recordsOf(log, 'otlp_spans')).flatMap(({ value }) => {
    const request = decodeTraces(value);
    return request.kind === 'ok' ? request.value.items.map((entry) => entry.item) : [];
  });

/** Item `n`: a trace of its own. */
export const span = (n: number, over: Partial<OtlpSpan> = {}): OtlpItem<OtlpSpan> => ({
  index: n,
  resource: { attributes: AttributeList.from(new Map([['service.name', 'shop']])) },
  scope: { name: 'test', version: '1', attributes: new AttributeList() },
  item: {
    traceId: (n + 1).toString(16).padStart(32, '0'),
    spanId: '00000000000000aa',
    parentSpanId: '',
    name: `span ${n}`,
    kind: 1,
    startUnixNano: 1_795_225_600_000_000_000n,
    endUnixNano: 1_795_225_601_000_000_000n,
    attributes: new AttributeList(),
    events: [],
    links: [],
    statusCode: 0,
    statusMessage: '',
    ...over,
  },
});

export const PROTOBUF = { 'content-type': 'application/x-protobuf' };
export const JSON_TYPE = { 'content-type': 'application/json' };
/** One POST. */
export const post = (url: string, body: Uint8Array | string, headers: Record<string, string>) =>
  fetch(url, { method: 'POST', body: typeof body === 'string' ? body : Uint8Array.from(body), headers });

/** A trace request in OTLP/JSON with the given span objects. */
export const jsonSpans = (...spans: readonly object[]): string =>
  JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
export const GOOD = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), name: 'good' };
