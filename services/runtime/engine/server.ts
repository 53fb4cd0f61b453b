import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { EngineFacts } from './child-protocol.ts';
import { EngineError, toEngineError } from './engine-error.ts';
import { type Answer, type Executor, execute } from './execute.ts';
import { readForm } from './form.ts';
import { handshakeAnswer, isHandshake } from './go-handshake.ts';
import { answerEncoding, encodeAnswer, readBody } from './http-codec.ts';
import { type EngineRequest, isAllowedOrigin, isLoopbackHost, type Owner, readRequest } from './http-request.ts';
import { createSlots, type Slots } from './slots.ts';

/** Queries of the store that run at once; the engine parallelises inside a query. */
const OWNER_RUNNING_MAX = 6;
/** Readers have slots of their own, so that no dashboard keeps an insert waiting. */
const READER_RUNNING_MAX = 3;
const WAITING_MAX = 64;
/** A body after decompression. An insert of ours is 8 MiB, a reader's SQL far less; this bounds what callers can hold. */
const BODY_BYTES_MAX = { owner: 256 * 1024 * 1024, reader: 1024 * 1024 } as const;
/** Longest URL: parameters of a query with some thousand ids. ClickHouse's own limit (http_max_uri_size). */
const HEAD_BYTES_MAX = 1024 * 1024;

interface Door {
  readonly executor: Executor;
  readonly facts: EngineFacts;
  readonly owner: Owner;
  readonly ownerSlots: Slots;
  readonly readerSlots: Slots;
  /** Query ids between arrival and answer: the same id twice at once is refused, as a server does. */
  readonly active: Set<string>;
}

/** The ClickHouse HTTP interface over one engine. Not yet listening. */
export const createEngineServer = (executor: Executor, facts: EngineFacts, owner: Owner): Server => {
  const door: Door = {
    executor,
    facts,
    owner,
    ownerSlots: createSlots(OWNER_RUNNING_MAX, WAITING_MAX),
    readerSlots: createSlots(READER_RUNNING_MAX, WAITING_MAX),
    active: new Set(),
  };
  const server = createServer(
    { maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: 30_000, requestTimeout: 0 },
    (request, response) => {
      void answer(door, request, response);
    },
  );
  return server;
};

/** Answers one request; whatever goes wrong becomes an answer, so the promise never rejects. */
const answer = async (door: Door, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const queryIds = { told: '' };
  try {
    const url = new URL(request.url ?? '/', 'http://localhost');
    checkDoor(request);
    setCors(request, response);
    if (request.method === 'OPTIONS') response.writeHead(204).end();
    else if (isPing(url)) response.writeHead(200, { 'Content-Type': 'text/html; charset=UTF-8' }).end('Ok.\n');
    else if (url.pathname !== '/')
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('There is no such path\n');
    else await answerQuery(door, url, request, response, queryIds);
  } catch (cause) {
    sendError(door, request, response, queryIds.told, toEngineError(cause));
  }
};

const isPing = (url: URL): boolean =>
  url.pathname === '/ping' || url.pathname === '/replicas_status' || (url.pathname === '/' && url.search === '?ping');

const checkDoor = (request: IncomingMessage): void => {
  if (!isLoopbackHost(request.headers.host)) {
    throw new EngineError(
      497,
      'ACCESS_DENIED',
      'The Host header must name this machine (localhost or a loopback address)',
    );
  }
  if (!isAllowedOrigin(request.headers.origin)) {
    throw new EngineError(497, 'ACCESS_DENIED', 'Pages of other origins may not query this server');
  }
};

const setCors = (request: IncomingMessage, response: ServerResponse): void => {
  if (request.headers.origin === undefined) return;
  response.setHeader('Access-Control-Allow-Origin', request.headers.origin);
  response.setHeader(
    'Access-Control-Allow-Headers',
    'X-ClickHouse-Database, X-ClickHouse-Format, X-ClickHouse-User, X-ClickHouse-Key',
  );
  response.setHeader('Vary', 'Origin');
};

const answerQuery = async (
  door: Door,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
  ids: { told: string },
): Promise<void> => {
  if (request.method === 'GET' && url.search === '') {
    response.writeHead(200, { 'Content-Type': 'text/plain' }).end('Ok.\n');
    return;
  }
  const asked = readRequest(url, request.headers, door.owner);
  const queryId = asked.queryId ?? randomUUID();
  ids.told = queryId;
  if (door.active.has(queryId)) {
    throw new EngineError(
      216,
      'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING',
      `Query with id = ${queryId} is already running.`,
    );
  }
  door.active.add(queryId);
  try {
    const result = await runQuery(door, { ...asked, queryId }, request, response);
    await sendAnswer(door, request, response, asked, queryId, result);
  } finally {
    door.active.delete(queryId);
  }
};

const runQuery = async (
  door: Door,
  told: EngineRequest,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Answer> => {
  const sent = request.method === 'GET' ? [] : await readBody(request, BODY_BYTES_MAX[told.role]);
  const { asked, body } = await readForm(request.headers['content-type'], told, sent);
  const sql = asked.sql ?? (body.length === 1 ? (body[0]?.toString('utf8') ?? '') : '');
  if (isHandshake(sql, asked.format, asked.clientRevision)) {
    return { format: 'Native', body: handshakeAnswer(door.facts, asked.clientRevision) };
  }
  const slots = asked.role === 'owner' ? door.ownerSlots : door.readerSlots;
  const isAbandoned = (): boolean => response.destroyed || request.socket.destroyed;
  // GET never writes, whoever asks: a link or an image tag must not change anything.
  const role = request.method === 'GET' ? 'reader' : asked.role;
  return slots.run(() => execute(door.executor, { ...asked, role }, body), isAbandoned);
};

const sendAnswer = async (
  door: Door,
  request: IncomingMessage,
  response: ServerResponse,
  asked: EngineRequest,
  queryId: string,
  result: Answer,
): Promise<void> => {
  const encoding = asked.isCompressionEnabled ? answerEncoding(request.headers['accept-encoding']?.toString()) : null;
  const body = encoding === null ? result.body : await encodeAnswer(encoding, result.body);
  response.writeHead(200, {
    ...commonHeaders(door, queryId),
    'X-ClickHouse-Format': result.format,
    'Content-Type': contentType(result.format),
    'Content-Length': body.length,
    ...(encoding === null ? {} : { 'Content-Encoding': encoding, Vary: 'Accept-Encoding' }),
  });
  response.end(body);
};

const NO_SUMMARY =
  '{"read_rows":"0","read_bytes":"0","written_rows":"0","written_bytes":"0","total_rows_to_read":"0","result_rows":"0","result_bytes":"0","elapsed_ns":"0"}';

const commonHeaders = (door: Door, queryId: string): Record<string, string> => ({
  'X-ClickHouse-Query-Id': queryId,
  'X-ClickHouse-Server-Display-Name': door.facts.displayName,
  'X-ClickHouse-Timezone': door.facts.timezone,
  'X-ClickHouse-Summary': NO_SUMMARY,
});

const contentType = (format: string): string => {
  if (/^JSON(?!.*EachRow)/i.test(format)) return 'application/json; charset=UTF-8';
  if (/EachRow|NDJSON|JSONLines/i.test(format)) return 'application/x-ndjson; charset=UTF-8';
  if (/^CSV/i.test(format)) return 'text/csv; charset=UTF-8';
  if (/^(?:TSV|TabSeparated)/i.test(format)) return 'text/tab-separated-values; charset=UTF-8';
  if (/^(?:Native|RowBinary|Arrow|Parquet|ORC|Avro|MsgPack|BSON|Protobuf|Npy)/i.test(format))
    return 'application/octet-stream';
  return 'text/plain; charset=UTF-8';
};

const sendError = (
  door: Door,
  request: IncomingMessage,
  response: ServerResponse,
  queryId: string,
  error: EngineError,
): void => {
  // What is left of the body is thrown away, so that a kept-alive connection stays usable.
  request.resume();
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = Buffer.from(`${error.message}\n`);
  response.writeHead(error.status, {
    ...commonHeaders(door, queryId),
    'X-ClickHouse-Exception-Code': String(error.code),
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': body.length,
  });
  response.end(body);
};
