import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../runtime/http/body.ts';
import { createHttpServer, type HttpServer, writeAnswer, writeAnswerAndClose } from '../runtime/http/server.ts';
import { REFUSALS } from './answers.ts';
import type { DoorDeps } from './door.ts';
import { encodingOfContentType, routeOf } from './export-request.ts';
import { type Head, httpHeadOf } from './head.ts';
import { httpAnswer } from './http-answer.ts';

/** What the access log of common servers says of a sender that went before its answer. */
const SENDER_GONE = 499;

/** OTLP/HTTP, protobuf and JSON, and the own export of the OpenAI Agents SDK. */
export const createHttpDoor = (
  settings: { readonly host: string; readonly port: number },
  deps: DoorDeps,
): HttpServer => {
  const { intake, openShare, metrics } = deps;

  /** Reads the body, takes it, answers. Bytes are held until the answer is written. Resolves to the status. */
  const receive = async (request: IncomingMessage, response: ServerResponse, head: Head): Promise<number> => {
    const share = openShare();
    try {
      const limits = { bytesMax: deps.bodyBytesMax, admit: share.admit };
      const body = await readBody(request, response, head.compression, limits);
      if (body.kind === 'gone') return SENDER_GONE;
      const answer = body.kind === 'body' ? await intake.take(body.bytes, head) : intake.unread(body);
      const written = httpAnswer(answer, head.encoding);
      if (body.kind === 'refused' && body.isUnread) writeAnswerAndClose(request, response, written);
      else writeAnswer(response, written);
      return written.status;
    } finally {
      share.release();
    }
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const route = routeOf(request.url ?? '');
    const judged = httpHeadOf(request, route, deps.access);
    const head = judged.kind === 'head' ? (deps.turnedAway() ?? judged) : judged;
    let status: number;
    if (head.kind === 'head') status = await receive(request, response, head);
    else {
      // Errors in an unknown encoding are JSON.
      const encoding = encodingOfContentType(request.headers['content-type'] ?? '') ?? 'json';
      writeAnswerAndClose(request, response, httpAnswer(head, encoding));
      status = REFUSALS[head.why].httpStatus;
    }
    metrics.count('receiver_requests_total', { protocol: 'http', signal: route?.signal ?? 'unknown', status });
  };

  return createHttpServer({
    ...settings,
    portKey: 'receiver.http_port (TACHO_RECEIVER_HTTP_PORT)',
    listener: (request, response) => {
      if (request.method === 'GET' && request.url === '/healthz') {
        writeAnswer(response, { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('ok\n') });
        return;
      }
      deps.track(respond(request, response), () => response.destroy());
    },
  });
};
