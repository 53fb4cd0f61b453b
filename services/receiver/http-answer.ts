import type { OtlpEncoding } from '../../schemas/otlp/decode.ts';
import type { HttpAnswer } from '../runtime/http/server.ts';
import {
  type Answer,
  type Exported,
  type ExportSignal,
  exportedBytes,
  POSITION_HEADER,
  REFUSALS,
  RETRY_INFO,
  type Refusal,
  refusalsText,
  statusBytes,
} from './answers.ts';

const CONTENT_TYPES: Readonly<Record<OtlpEncoding, string>> = {
  protobuf: 'application/x-protobuf',
  json: 'application/json',
};

/** JSON names of the rejected count in Export…PartialSuccess. */
const REJECTED: Readonly<Record<ExportSignal, string>> = {
  spans: 'rejectedSpans',
  logs: 'rejectedLogRecords',
  metrics: 'rejectedDataPoints',
};

/** An answer as OTLP/HTTP writes it, in the encoding of the request. */
export const httpAnswer = (answer: Answer, encoding: OtlpEncoding): HttpAnswer => {
  const isJson = encoding === 'json';
  if (answer.kind === 'exported') {
    const headers = answer.position === '' ? {} : { [POSITION_HEADER]: answer.position };
    const body = isJson ? jsonBytes(exportedJson(answer)) : exportedBytes(answer);
    return { status: 200, headers: { ...headers, 'content-type': CONTENT_TYPES[encoding] }, body };
  }
  return {
    status: REFUSALS[answer.why].httpStatus,
    headers: { ...headersOf(answer), 'content-type': CONTENT_TYPES[encoding] },
    body: isJson ? jsonBytes(statusJson(answer)) : statusBytes(answer),
  };
};

const headersOf = ({ why, retrySeconds }: Refusal): Readonly<Record<string, string>> => {
  if (retrySeconds !== null) return { 'retry-after': String(retrySeconds) };
  if (why === 'not_a_post') return { allow: 'POST' };
  return why === 'unauthenticated' ? { 'www-authenticate': 'Bearer' } : {};
};

const exportedJson = ({ signal, refusals, hint }: Exported): object => {
  const errorMessage = refusals.length > 0 ? refusalsText(refusals) : hint;
  return errorMessage === '' ? {} : { partialSuccess: { [REJECTED[signal]]: String(refusals.length), errorMessage } };
};

const statusJson = ({ why, message, retrySeconds }: Refusal): object => ({
  code: REFUSALS[why].rpcCode,
  message,
  ...(retrySeconds === null ? {} : { details: [{ '@type': RETRY_INFO, retryDelay: `${retrySeconds}s` }] }),
});

const jsonBytes = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
