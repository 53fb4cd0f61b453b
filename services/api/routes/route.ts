import { z } from 'zod';
import type { Caller, Grant } from '../../runtime/access.ts';
import type { ApiContext } from '../deps.ts';
import { problem } from '../problem.ts';

/** What a handler answers besides the plain JSON body. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A request after access was decided and before its parts were validated. */
export interface RawRequest {
  readonly caller: Caller;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export interface RouteSpec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType> {
  readonly method: 'GET' | 'POST';
  /** Below /api/v1, parameters as `:name`. */
  readonly path: string;
  readonly summary: string;
  readonly needs: Grant;
  /** Status of a good answer; 200 when absent. */
  readonly status?: 200 | 202;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** What a 2xx carries: documents the route, and its tests hold the answers to it. */
  readonly answer: A;
  readonly run: (
    request: {
      readonly caller: Caller;
      readonly headers: RawRequest['headers'];
      readonly params: z.output<P>;
      readonly query: z.output<Q>;
      readonly body: z.output<B>;
    },
    context: ApiContext,
  ) => Promise<object>;
}

/** A route with its types closed over: what the plugin registers and OpenAPI describes. */
export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly summary: string;
  readonly needs: Grant;
  readonly status: 200 | 202;
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType;
  readonly answer: z.ZodType;
  readonly run: (raw: RawRequest, context: ApiContext) => Promise<Reply>;
}

/** What a handler gets of the request besides its validated parts. */
export type RouteRequest = Pick<RawRequest, 'caller' | 'headers'>;

export const noParams = z.strictObject({});
export const noQuery = z.strictObject({});
export const noBody = z.unknown();

const REPLY = Symbol('reply');
type Marked = Reply & { readonly [REPLY]: true };

/** An answer that is not simply 200 with a JSON body. */
export const reply = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply => {
  const marked: Marked = { status, body, headers, [REPLY]: true };
  return marked;
};

const isReply = (value: unknown): value is Marked => typeof value === 'object' && value !== null && REPLY in value;

/** Closes a route over its schemas: each part is validated once, here, and a refusal names what is allowed. */
export const defineRoute = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, A extends z.ZodType>(
  spec: RouteSpec<P, Q, B, A>,
): Route => ({
  method: spec.method,
  path: spec.path,
  summary: spec.summary,
  needs: spec.needs,
  status: spec.status ?? 200,
  params: spec.params,
  query: spec.query,
  body: spec.body,
  answer: spec.answer,
  run: async (raw, context) => {
    const request = {
      caller: raw.caller,
      headers: raw.headers,
      params: parsePart(spec.params, raw.params, 'path'),
      query: parsePart(spec.query, raw.query, 'query'),
      // A POST without a body says nothing more than its path: refused only where the route needs more.
      body: parsePart(spec.body, raw.body ?? (spec.method === 'POST' ? {} : undefined), 'body'),
    };
    const answer = await spec.run(request, context);
    return isReply(answer) ? answer : { status: spec.status ?? 200, body: answer, headers: {} };
  },
});

const allowedOf = (schema: z.ZodType): readonly string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];

/** Validates one part of a request; throws a 400 problem that names every parameter at fault and the allowed ones. */
export const parsePart = <S extends z.ZodType>(
  schema: S,
  value: unknown,
  part: 'path' | 'query' | 'body',
): z.output<S> => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const allowed = allowedOf(schema);
  const errors = parsed.error.issues.flatMap((found) =>
    found.code === 'unrecognized_keys'
      ? found.keys.map((key) => ({
          parameter: key,
          detail: `unknown parameter; allowed: ${allowed.join(', ') || 'none'}`,
        }))
      : [{ parameter: found.path.join('.') || part, detail: found.message }],
  );
  const detail = errors.map((error) => `${error.parameter}: ${error.detail}`).join('; ');
  throw problem(400, detail, { in: part, errors, ...(allowed.length > 0 ? { allowed } : {}) });
};
