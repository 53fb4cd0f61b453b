/**
 * What a door costs: spans per CPU-second of the receiver's process over HTTP and over gRPC, in turns, in one run.
 * The log is one that forgets, so that only door and intake are measured; uncompressed protobuf, eight senders.
 * Usage: node test/bench/receiver-doors.ts
 */
import { fork } from 'node:child_process';
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import type { OtlpItem, OtlpSpan } from '../../schemas/otlp/types.ts';
import { createReceiver } from '../../services/receiver/service.ts';
import { createAccess } from '../../services/runtime/access-tokens.ts';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { createMemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import { createLogger } from '../../services/runtime/log.ts';
import { createMetrics } from '../../services/runtime/metrics.ts';
import { type GrpcClient, grpcClient, PATHS } from '../support/grpc.ts';

const MIB = 1024 * 1024;
const SENDERS = 8;
const ROUNDS = 6;
const ROUND_MS = 3_000;
const SIZES = [10, 100, 1_000] as const;
const SPANS_PER_TRACE = 10;

interface Ports {
  readonly port: number;
  readonly grpcPort: number;
}

const serve = async (): Promise<void> => {
  const memory = createMemoryEventLog({ clock: systemClock, random: systemRandom });
  let offset = 0;
  const receiver = createReceiver(
    { host: '127.0.0.1', port: 0, grpcPort: 0, bodyBytesMax: 20 * MIB, inFlightBytesMax: 64 * MIB },
    {
      log: {
        ...memory,
        append: async (records) =>
          records.map(({ topic }) => {
            offset += 1;
            return { topic, partition: offset % 2, offset };
          }),
      },
      access: createAccess({ tokens: [], requireTokens: false, allowedHosts: [] }),
      clock: systemClock,
      random: systemRandom,
      logger: createLogger('error'),
      metrics: createMetrics(),
    },
  );
  await receiver.start();
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.once('disconnect', () => process.exit(0));
  process.send?.(receiver.address());
};

const span = (n: number): OtlpItem<OtlpSpan> => ({
  index: n,
  resource: { attributes: new Map([['service.name', 'shop']]) },
  scope: { name: 'bench', version: '1', attributes: new Map() },
  item: {
    traceId: (Math.floor(n / SPANS_PER_TRACE) + 1).toString(16).padStart(32, '0'),
    spanId: (n + 1).toString(16).padStart(16, '0'),
    parentSpanId: '',
    name: 'chat gpt-4o',
    kind: 3,
    startUnixNano: 1_795_225_600_000_000_000n,
    endUnixNano: 1_795_225_601_000_000_000n,
    attributes: new Map<string, string | number>([
      ['gen_ai.operation.name', 'chat'],
      ['gen_ai.request.model', 'gpt-4o'],
      ['gen_ai.usage.input_tokens', 2101],
      ['gen_ai.usage.output_tokens', 47],
      ['gen_ai.input.messages', 'x'.repeat(300)],
    ]),
    events: [],
    links: [],
    statusCode: 0,
    statusMessage: '',
  },
});

type Send = (body: Uint8Array, sender: number) => Promise<void>;

const httpSend = ({ port }: Ports): Send => {
  const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
  const headers = { 'content-type': 'application/x-protobuf' };
  return (body) =>
    new Promise((resolve, reject) => {
      const options = { agent, port, host: '127.0.0.1', method: 'POST', path: '/v1/traces' };
      const request = httpRequest(
        { ...options, headers: { ...headers, 'content-length': body.length } },
        (response) => {
          response.resume();
          response.once('end', () => (response.statusCode === 200 ? resolve() : reject(new Error('not taken'))));
        },
      );
      request.once('error', reject);
      request.end(body);
    });
};

const grpcSend =
  (clients: readonly GrpcClient[]): Send =>
  async (body, sender) => {
    const answer = await clients[sender]?.call(PATHS.traces, body);
    if (answer?.code !== 0) throw new Error(`not taken: ${answer?.message}`);
  };

const measure = async (): Promise<void> => {
  const child = fork(import.meta.filename, ['serve']);
  const told = <T>(): Promise<T> => new Promise((resolve) => child.once('message', (value) => resolve(value as T)));
  const cpuMs = async (): Promise<number> => {
    const answer = told<NodeJS.CpuUsage>();
    child.send('cpu');
    const { user, system } = await answer;
    return (user + system) / 1000;
  };
  const ports = await told<Ports>();
  const clients = Array.from({ length: SENDERS }, () => grpcClient(`127.0.0.1:${ports.grpcPort}`));
  const doors = { http: httpSend(ports), grpc: grpcSend(clients) };
  for (const size of SIZES) {
    const body = encodeTraces(Array.from({ length: size }, (_, n) => span(n)));
    const rates = { http: [] as number[], grpc: [] as number[] };
    for (let round = 0; round <= ROUNDS; round++) {
      for (const door of ['http', 'grpc'] as const) {
        const [spans, usedMs] = await run(doors[door], body, size, cpuMs);
        if (round > 0) rates[door].push((spans / usedMs) * 1000); // the first round warms up
      }
    }
    const [http, grpc] = [median(rates.http), median(rates.grpc)];
    console.log(
      `${String(size).padStart(5)} spans a request (${(body.length / 1024).toFixed(0)} KiB): ` +
        `HTTP ${http.toFixed(0)}, gRPC ${grpc.toFixed(0)} spans per CPU-second; ratio ${(grpc / http).toFixed(2)}`,
    );
  }
  for (const client of clients) client.close();
  child.disconnect();
};

const run = async (send: Send, body: Uint8Array, size: number, cpuMs: () => Promise<number>) => {
  const before = await cpuMs();
  const stop = delay(ROUND_MS, 'stop');
  let isOver = false;
  void stop.then(() => {
    isOver = true;
  });
  let spans = 0;
  await Promise.all(
    Array.from({ length: SENDERS }, async (_, sender) => {
      while (!isOver) {
        await send(body, sender);
        spans += size;
      }
    }),
  );
  return [spans, (await cpuMs()) - before] as const;
};

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

await (process.argv[2] === 'serve' ? serve() : measure());
