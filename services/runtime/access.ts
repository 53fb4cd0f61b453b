import type { Vantage } from '../../schemas/step-kinds.ts';

/** What a caller may do. A contract (design 4). */
export const GRANTS = ['ingest', 'read', 'content', 'operate', 'admin'] as const;
export type Grant = (typeof GRANTS)[number];

/** Who is calling, after the token was looked up. `tenant` null: every tenant. */
export interface Caller {
  readonly actor: string;
  readonly tenant: string | null;
  readonly vantage: Vantage;
  readonly grants: ReadonlySet<Grant>;
}

export type AccessDecision =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'denied'; readonly status: 401 | 403; readonly detail: string };

/** What is known of a request before its body is read. Header names in lower case. */
export interface AccessRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly remoteAddress: string;
  readonly needs: Grant;
}

/**
 * Decides on one request: Host and Origin are checked, a bearer token is looked up (hashed), and without a token a
 * loopback caller may do everything as vantage `agent`, unless tokens are required.
 */
export interface Access {
  readonly decide: (request: AccessRequest) => AccessDecision;
}
