/** RFC 9457: what the API answers when it says no. `status` is the HTTP status; `detail` is for a person. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Extension members, such as `tenants` of an ambiguous id or `errors` of a refused parameter. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A handler says no. Data, not a failure: answered as it is, never logged as an error. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Ambiguous',
  413: 'Too large',
  415: 'Unsupported media type',
  429: 'Too many requests',
  500: 'Internal error',
  503: 'Not ready',
};

/** Builds a ProblemError with the usual title of its status. */
export const problem = (status: number, detail: string, extra?: Readonly<Record<string, unknown>>): ProblemError =>
  new ProblemError({ status, title: TITLES[status] ?? 'Error', detail, ...(extra ? { extra } : {}) });

/** The body of `application/problem+json` (RFC 9457 section 3). */
export const problemBody = (found: Problem): Readonly<Record<string, unknown>> => ({
  type: 'about:blank',
  title: found.title,
  status: found.status,
  detail: found.detail,
  ...found.extra,
});

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';
