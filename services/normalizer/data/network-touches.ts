import { waysOfOperation } from '../../../schemas/data-operation.ts';
import type { StepTouch } from '../../../schemas/step-touch.ts';
import { keySet, textAttr } from '../conventions/values.ts';
import type { SpanView } from '../span-view.ts';

/** The stable names first (semconv, HTTP, messaging and object stores), then the older ones. */
const SAID = {
  url: keySet('url.full', 'http.url'),
  method: keySet('http.request.method', 'http.method'),
  host: keySet('server.address', 'net.peer.name', 'http.host'),
  destination: keySet('messaging.destination.name', 'messaging.destination'),
  messaging: keySet('messaging.system'),
  messagingOperation: keySet('messaging.operation.type', 'messaging.operation.name', 'messaging.operation'),
  port: keySet('server.port', 'net.peer.port'),
  bucket: keySet('aws.s3.bucket'),
  key: keySet('aws.s3.key'),
  rpcMethod: keySet('rpc.method'),
};

/** OTLP SpanKind. */
const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;
/** RFC 9110, 9.2.1: methods that ask for nothing but an answer. */
const SAFE_METHOD = /^(?:GET|HEAD|OPTIONS|TRACE)$/i;

const touch = (
  way: StepTouch['way'],
  kind: StepTouch['kind'],
  namespace: string | null,
  name: string,
  operation: string | null,
): StepTouch => ({ way, kind, namespace, name, statement: 0, flags: [], operation, columns: [] });

/** The host a request went to: of the side that asks only, for the other one names itself. */
export const httpTouches = (view: SpanView): readonly StepTouch[] => {
  const method = textAttr(view, SAID.method);
  if (method === undefined || view.kind === SERVER || view.kind === CONSUMER) return [];
  const url = textAttr(view, SAID.url);
  const host = hostOfUrl(url) ?? (view.kind === CLIENT ? textAttr(view, SAID.host)?.replace(/:\d+$/, '') : undefined);
  if (host === undefined || host === '') return [];
  return [touch(SAFE_METHOD.test(method) ? 'reads' : 'writes', 'host', null, host.toLowerCase(), method.toUpperCase())];
};

/** Host of an absolute URL, lower case; undefined for anything else. */
export const hostOfUrl = (url: string | undefined): string | undefined => {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const { hostname } = new URL(url);
  return hostname === '' ? undefined : hostname;
};

/** A queue or topic that was sent to or taken from. */
export const messagingTouches = (view: SpanView): readonly StepTouch[] => {
  const name = textAttr(view, SAID.destination);
  if (name === undefined) return [];
  const system = textAttr(view, SAID.messaging)?.toLowerCase() ?? 'messaging';
  const host = textAttr(view, SAID.host);
  const port = textAttr(view, SAID.port) ?? (system === 'kafka' ? '9092' : null);
  const namespace = host === undefined ? system : `${system}://${host.toLowerCase()}${port === null ? '' : `:${port}`}`;
  const operation = textAttr(view, SAID.messagingOperation) ?? null;
  const { ways } = waysOfOperation(operation ?? (view.kind === PRODUCER ? 'send' : 'receive'));
  return ways.map((way) => touch(way, 'dataset', namespace, name, operation));
};

/** An object, or the bucket where none is named (semconv, AWS SDK). */
export const objectTouches = (view: SpanView): readonly StepTouch[] => {
  const bucket = textAttr(view, SAID.bucket);
  if (bucket === undefined) return [];
  const operation = textAttr(view, SAID.rpcMethod) ?? null;
  const name = textAttr(view, SAID.key) ?? '/';
  return waysOfOperation(operation).ways.map((way) => touch(way, 'dataset', `s3://${bucket}`, name, operation));
};
