import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AccessDecision, Caller, Grant } from '../runtime/access.ts';
import { TransportError } from '../runtime/errors.ts';
import type { ApiContext } from './deps.ts';
import { PROBLEM_TYPE, type Problem, ProblemError, problem, problemBody } from './problem.ts';

/**
 * Nothing is loaded from elsewhere and nothing runs that is not a file of ours: a prompt or a tool result shown on a
 * page stays text, whatever it says.
 */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/** Who is calling, or throws the 401/403 problem. Host and Origin are checked with it. */
export const callerOf = (request: FastifyRequest, context: ApiContext, needs: Grant): Caller => {
  const decision: AccessDecision = context.access.decide({
    headers: request.headers,
    remoteAddress: request.ip,
    needs,
  });
  if (decision.kind === 'caller') return decision.caller;
  throw problem(decision.status, decision.detail);
};

/** What a thrown thing means to the caller. Infrastructure that passes by itself is 503; a bug is 500 without words. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof TransportError) {
    return error.retryable
      ? { status: 503, title: 'Not ready', detail: `${error.message} (${error.code}); ask again shortly` }
      : { status: 500, title: 'Internal error', detail: `the ${storeOrLog(error)} refused: ${error.code}` };
  }
  const status = statusOf(error);
  if (status !== null && error instanceof Error) return problem(status, error.message).problem;
  return { status: 500, title: 'Internal error', detail: 'a bug of ours; the log of the process has it' };
};

const storeOrLog = (error: TransportError): string => (error.code.startsWith('LOG') ? 'event log' : 'store');

/** Fastify's own refusals (bad JSON, too large, media type) carry a 4xx. */
const statusOf = (error: unknown): number | null => {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return null;
  const status = error.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null;
};

/** Seconds after which a caller may ask again when the store is starting or busy. */
const RETRY_SECONDS = '2';

/** Sends a problem with its media type. */
export const sendProblem = (reply: FastifyReply, found: Problem): FastifyReply => {
  if (found.status === 503 || found.status === 429) reply.header('retry-after', RETRY_SECONDS);
  if (found.status === 401) reply.header('www-authenticate', 'Bearer realm="tachograph"');
  return reply
    .code(found.status)
    .header('content-type', PROBLEM_TYPE)
    .send(JSON.stringify(problemBody(found)));
};

/** Headers, errors and counting that every answer of the process shares. */
export const registerHttp = (app: FastifyInstance, context: ApiContext): void => {
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS);
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    context.metrics.count('api_requests_total', { route, status: reply.statusCode });
    context.metrics.observe('api_request_seconds', reply.elapsedTime / 1000, { route });
  });
  app.setErrorHandler(async (error, request, reply) => {
    const found = problemOf(error);
    if (found.status === 500) context.logger.error({ err: error, route: request.routeOptions.url }, 'request failed');
    return sendProblem(reply, found);
  });
};
