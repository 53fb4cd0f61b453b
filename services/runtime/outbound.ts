/** A POST to a server of somebody else. */
export interface PostRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What came back. Bounded: `excerpt` is the beginning of the answer's text, for people. */
export type PostAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfter: string | null;
      readonly excerpt: string;
    }
  /** No answer: refused, cut off, or too slow. Whether the request was heard is not known. */
  | { readonly kind: 'unreachable'; readonly reason: string };

/** The way out, for notifications. Follows no redirect; every call ends within a deadline of its own. */
export interface Outbound {
  /** Throws TransportError ABORTED when the signal fires, and nothing else. */
  readonly post: (request: PostRequest, signal: AbortSignal) => Promise<PostAnswer>;
}
