import { TransportError } from './errors.ts';
import type { Clock } from './ports.ts';

export type OtlpSignal = 'traces' | 'logs' | 'metrics';

/** One export request as it goes over the wire. */
export interface OtlpPayload {
  readonly signal: OtlpSignal;
  readonly body: Uint8Array;
  readonly contentType: 'application/x-protobuf' | 'application/json';
  /** Milliseconds that the receiver adds to every time of the rows; the bytes, and so the identity, stay as they are. */
  readonly timeShiftMs?: number;
}

/** What became of it. `positions`: `topic/partition/offset`, the last of each partition. */
export interface OtlpAnswer {
  readonly status: number;
  readonly positions: readonly string[];
  readonly message: string;
}

export interface OtlpSenderSettings {
  /** Base URL of an OTLP/HTTP endpoint, without `/v1/…`. */
  readonly url: string;
  readonly tenant: string | null;
  readonly token: string | null;
  /** How long one payload is retried while the endpoint is away or says "later". */
  readonly retryForMs: number;
  /** Told before each wait why there is one. */
  readonly onRetry?: (why: string) => void;
}

const TRY_TIMEOUT_MS = 60_000;
const BACKOFF_MS = 200;
const BACKOFF_MAX_MS = 5_000;
/** OTLP specification, "Retryable response codes". */
const RETRYABLE_STATUS: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/**
 * Posts one payload and waits for the answer, retrying as the OTLP specification says (Retry-After is honoured).
 * Throws TransportError HTTP_UNAVAILABLE when the endpoint stays away for `retryForMs`. A 4xx is an answer, not a throw.
 */
export const sendOtlp = async (
  settings: OtlpSenderSettings,
  payload: OtlpPayload,
  clock: Clock,
  signal?: AbortSignal,
): Promise<OtlpAnswer> => {
  const deadlineMs = clock.nowMs() + settings.retryForMs;
  for (let backoffMs = BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS)) {
    const { answer, retryAfterMs, cause } = await tryOnce(settings, payload, signal);
    if (answer !== null && !RETRYABLE_STATUS.has(answer.status)) return answer;
    const waitMs = retryAfterMs ?? backoffMs;
    if (clock.nowMs() + waitMs > deadlineMs)
      throw new TransportError(
        'HTTP_UNAVAILABLE',
        `${settings.url} does not take data: ${answer?.message ?? reasonOf(cause)}`,
        {
          retryable: true,
          cause,
        },
      );
    settings.onRetry?.(answer?.message ?? reasonOf(cause));
    await clock.sleep(waitMs, signal);
  }
};

/** fetch says `fetch failed`; what failed stands in its cause. */
const reasonOf = (cause: unknown): string => {
  const inner = cause instanceof Error ? (cause.cause ?? cause) : cause;
  return inner instanceof Error && inner.message !== '' ? inner.message : String(cause);
};

const tryOnce = async (settings: OtlpSenderSettings, payload: OtlpPayload, signal: AbortSignal | undefined) => {
  const timeout = AbortSignal.timeout(TRY_TIMEOUT_MS);
  try {
    const response = await fetch(`${settings.url.replace(/\/$/, '')}/v1/${payload.signal}`, {
      method: 'POST',
      body: Buffer.from(payload.body.buffer, payload.body.byteOffset, payload.body.byteLength),
      headers: headersOf(settings, payload),
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    const text = await response.text();
    const positions = (response.headers.get('x-tacho-position') ?? '').split(',').filter((part) => part !== '');
    const retryAfter = Number(response.headers.get('retry-after'));
    return {
      answer: { status: response.status, positions, message: `HTTP ${response.status} ${printable(text)}` },
      retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : null,
      cause: undefined,
    };
  } catch (cause) {
    if (signal?.aborted === true)
      throw new TransportError('ABORTED', 'sending was aborted', { retryable: false, cause });
    return { answer: null, retryAfterMs: null, cause };
  }
};

const headersOf = (settings: OtlpSenderSettings, payload: OtlpPayload): Record<string, string> => ({
  'content-type': payload.contentType,
  ...(settings.tenant === null ? {} : { 'x-tacho-tenant': settings.tenant }),
  ...(settings.token === null ? {} : { authorization: `Bearer ${settings.token}` }),
  ...(payload.timeShiftMs === undefined ? {} : { 'x-tacho-time-shift-ms': String(payload.timeShiftMs) }),
});

/** Answers may be protobuf: show what a person can read of them. */
const printable = (text: string): string =>
  text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 300);
