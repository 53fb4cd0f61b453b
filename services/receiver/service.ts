import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OtlpEncoding } from '../../schemas/otlp/decode.ts';
import type { Access } from '../runtime/access.ts';
import { type BodyOutcome, readBody } from '../runtime/http/body.ts';
import { createByteBudget } from '../runtime/http/byte-budget.ts';
import { createHttpServer, writeAnswer, writeAnswerAndClose } from '../runtime/http/server.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, EventLog, Health, Logger, Random, Service } from '../runtime/ports.ts';
import { type Answer, failed } from './answers.ts';
import { signalOf } from './export-request.ts';
import { type Head, headOf } from './head.ts';
import { createIntake, type Intake } from './intake.ts';

export interface ReceiverSettings {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Of a body as sent, and after decompression. */
  readonly bodyBytesMax: number;
  /** Bytes held by requests not yet answered; beyond it senders are told to come back. */
  readonly inFlightBytesMax: number;
}

export interface ReceiverDeps {
  readonly log: EventLog;
  readonly access: Access;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Receiver extends Service {
  readonly address: () => { readonly port: number };
  readonly openRequests: () => number;
  /** When the last request with items in it was made durable, milliseconds since 1970; null before the first. */
  readonly lastAcceptedMs: () => number | null;
}

/** Open requests get this long at drain. */
const DRAIN_MS = 10_000;

/** OTLP/HTTP to the event log. Answers 200 only after `log.append` resolved: then the data is durable. No state. */
export const createReceiver = (settings: ReceiverSettings, deps: ReceiverDeps): Receiver => {
  const { access, logger, metrics } = deps;
  let state: 'starting' | 'ok' | 'draining' | 'stopped' = 'starting';
  let open = 0;
  const intake = createIntake(deps);
  const openShare = createByteBudget(settings.inFlightBytesMax, (bytes) =>
    metrics.gauge('receiver_in_flight_bytes', bytes),
  );

  /** Reads the body, takes it, answers. Bytes are held until the answer is written. */
  const receive = async (request: IncomingMessage, response: ServerResponse, head: Head): Promise<number> => {
    const share = openShare();
    try {
      const limits = { bytesMax: settings.bodyBytesMax, admit: share.admit };
      const body = await readBody(request, response, head.compression, limits);
      if (body.kind === 'gone') return 499;
      const answer =
        body.kind === 'body' ? await intake.take(body.bytes, head) : refusedBody(intake, body, head.encoding);
      if (body.kind === 'refused' && body.isUnread) writeAnswerAndClose(request, response, answer);
      else writeAnswer(response, answer);
      return answer.status;
    } finally {
      share.release();
    }
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const signal = signalOf(request.url ?? '');
    const head = headOf(request, signal, access);
    let status: number;
    if (head.kind === 'refused') {
      writeAnswerAndClose(request, response, head.answer);
      status = head.answer.status;
    } else if (state !== 'ok') {
      const answer = intake.busy(head.head.encoding, 'the receiver is going down: send again later');
      writeAnswerAndClose(request, response, answer);
      status = answer.status;
    } else status = await receive(request, response, head.head);
    metrics.count('receiver_requests_total', { signal: signal ?? 'unknown', status });
  };

  const server = createHttpServer({
    host: settings.host,
    port: settings.port,
    portKey: 'receiver.http_port (TACHO_RECEIVER_HTTP_PORT)',
    listener: (request, response) => {
      if (request.method === 'GET' && request.url === '/healthz') {
        writeAnswer(response, { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('ok\n') });
        return;
      }
      open += 1;
      respond(request, response)
        .catch((error: unknown) => {
          logger.error({ err: error }, 'a request failed on a bug of ours');
          response.destroy();
        })
        .finally(() => {
          open -= 1;
        });
    },
  });

  const health = (): Health => {
    if (state === 'starting') return { state, detail: 'not listening yet' };
    if (state !== 'ok') return { state: 'stopped', detail: 'drained' };
    return intake.problem() === '' ? { state: 'ok', detail: '' } : { state: 'degraded', detail: intake.problem() };
  };

  return {
    name: 'receiver',
    start: async () => {
      await server.listen();
      state = 'ok';
      logger.info({ host: settings.host, port: server.port() }, 'receiver listens for OTLP/HTTP');
    },
    health,
    drain: async () => {
      state = 'draining';
      await server.drain(DRAIN_MS);
      state = 'stopped';
    },
    address: () => ({ port: server.port() }),
    openRequests: () => open,
    lastAcceptedMs: intake.lastAcceptedMs,
  };
};

const refusedBody = (intake: Intake, body: BodyOutcome & { kind: 'refused' }, encoding: OtlpEncoding): Answer => {
  if (body.why === 'overload') return intake.busy(encoding, body.detail);
  return failed(encoding, body.why === 'too_large' ? 413 : 400, body.detail);
};
