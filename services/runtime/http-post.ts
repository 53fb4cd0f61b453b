import { TransportError } from './errors.ts';
import type { Outbound, PostAnswer, PostRequest } from './outbound.ts';

/** A pager answers within a second or two; one attempt holds a place in its sink's queue no longer than this. */
const DEADLINE_MS = 10_000;
/** Read of an answer before its connection is let go: enough for any error message. */
const ANSWER_BYTES_MAX = 4_096;
const EXCERPT_CHARS_MAX = 300;

/** The machine's way out, over fetch. `deadlineMs` bounds one call, its answer's body included. */
export const createOutbound = (deadlineMs: number = DEADLINE_MS): Outbound => ({
  post: async (request, signal) => {
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      return await send(request, AbortSignal.any([signal, deadline]));
    } catch (cause) {
      if (signal.aborted) throw new TransportError('ABORTED', 'the request was aborted', { retryable: false, cause });
      return { kind: 'unreachable', reason: deadline.aborted ? `no answer within ${deadlineMs} ms` : reasonOf(cause) };
    }
  },
});

const send = async (request: PostRequest, signal: AbortSignal): Promise<PostAnswer> => {
  const response = await fetch(request.url, {
    method: 'POST',
    headers: { 'user-agent': 'tachograph', ...request.headers },
    body: request.body,
    redirect: 'manual',
    signal,
  });
  const isSuccess = response.ok;
  // A success is a success, whatever its body does; of a failure the beginning of the text is kept.
  const excerpt = isSuccess ? '' : await readExcerpt(response).catch(() => '');
  await response.body?.cancel().catch(() => undefined);
  return { kind: 'answered', status: response.status, retryAfter: response.headers.get('retry-after'), excerpt };
};

const readExcerpt = async (response: Response): Promise<string> => {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes < ANSWER_BYTES_MAX) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    bytes += value.length;
  }
  await reader.cancel().catch(() => undefined);
  const text = Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX).toString('utf8');
  return text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, EXCERPT_CHARS_MAX);
};

/** fetch hides what went wrong in its cause. The address is left out: it may hold a secret. */
const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return code !== '' ? `no connection (${code})` : 'no connection';
};
