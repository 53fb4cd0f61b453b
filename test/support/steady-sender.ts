import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

/** What became of what was sent so far. */
export interface SenderTally {
  readonly acknowledgedSpans: number;
  /** 503 and 429 with a Retry-After: the sender kept the data. */
  readonly turnedAway: number;
  /** No answer at all: the sender kept the data. */
  readonly unanswered: number;
  /** Anything else, with its status: a promise was broken. */
  readonly broken: readonly string[];
}

/** A sender as OTLP wants it: keeps what was not acknowledged, comes back after Retry-After, gives nothing up. */
export interface SteadySender {
  readonly tally: () => SenderTally;
  /** No new data; resolves once all that was begun is acknowledged. Rejects when that takes longer than `ms`. */
  readonly finish: (ms: number) => Promise<SenderTally>;
}

export interface SteadySenderOptions {
  readonly url: string;
  readonly requestsPerSecond: number;
  readonly spansPerRequest: number;
  /** Chars of a prompt beside the other attributes: how large spans are. */
  readonly promptChars?: number;
}

/** Requests waiting for their turn again; beyond this the sender pauses, as an SDK with a full queue would drop. */
const WAITING_MAX = 2_000;
/** What is waited when the other side says nothing. */
const RETRY_MS = 500;

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');
const attribute = (key: string, value: string | number) => ({
  key,
  value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
});

/** One trace: an agent, and model calls below it. */
const bodyOf = (spans: number, promptChars: number): string => {
  const [traceId, root] = [hex(16), hex(8)];
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  const one = (index: number) => ({
    traceId,
    spanId: index === 0 ? root : hex(8),
    ...(index === 0 ? {} : { parentSpanId: root }),
    name: index === 0 ? 'invoke_agent steady' : 'chat gpt-4o-mini',
    kind: 3,
    startTimeUnixNano: String(nowNs),
    endTimeUnixNano: String(nowNs + 1_000_000n),
    attributes: [
      attribute('gen_ai.operation.name', index === 0 ? 'invoke_agent' : 'chat'),
      attribute('gen_ai.provider.name', 'openai'),
      attribute('gen_ai.agent.name', 'steady'),
      attribute('gen_ai.request.model', 'gpt-4o-mini'),
      attribute('gen_ai.response.id', hex(12)),
      attribute('gen_ai.usage.input_tokens', 100),
      attribute('gen_ai.usage.output_tokens', 20),
      attribute(
        'gen_ai.input.messages',
        `[{"role":"user","parts":[{"type":"text","content":"${hex(promptChars / 2)}"}]}]`,
      ),
    ],
  });
  const resource = { attributes: [attribute('service.name', 'steady')] };
  return JSON.stringify({
    resourceSpans: [{ resource, scopeSpans: [{ spans: Array.from({ length: spans }, (_, index) => one(index)) }] }],
  });
};

/** Starts sending at an even pace, whatever the other side answers. */
export const startSteadySender = (options: SteadySenderOptions): SteadySender => {
  const { url, requestsPerSecond, spansPerRequest, promptChars = 200 } = options;
  let [acknowledged, turnedAway, unanswered, open] = [0, 0, 0, 0];
  const broken: string[] = [];
  let isSending = true;

  const attempt = async (body: string): Promise<number | null> => {
    try {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/v1/traces`, { method: 'POST', headers, body });
      const text = await answer.text();
      if (answer.ok) return null;
      const retryAfter = Number(answer.headers.get('retry-after') ?? Number.NaN);
      if ((answer.status === 503 || answer.status === 429) && retryAfter > 0) {
        turnedAway += 1;
        return retryAfter * 1000;
      }
      broken.push(`${answer.status} ${text.slice(0, 200)}`);
      return RETRY_MS;
    } catch {
      unanswered += 1;
      return RETRY_MS;
    }
  };
  const send = async (): Promise<void> => {
    open += 1;
    const body = bodyOf(spansPerRequest, promptChars);
    for (let waitMs = await attempt(body); waitMs !== null; waitMs = await attempt(body)) await delay(waitMs);
    acknowledged += spansPerRequest;
    open -= 1;
  };
  const pace = async (): Promise<void> => {
    const startedMs = Date.now();
    for (let sent = 0; isSending; ) {
      const due = ((Date.now() - startedMs) * requestsPerSecond) / 1000;
      for (; sent < due; sent += 1) if (open < WAITING_MAX) void send();
      await delay(20);
    }
  };
  const pacing = pace();
  const tally = (): SenderTally => ({ acknowledgedSpans: acknowledged, turnedAway, unanswered, broken });
  return {
    tally,
    finish: async (ms) => {
      isSending = false;
      await pacing;
      for (const endMs = Date.now() + ms; open > 0; await delay(20)) {
        if (Date.now() > endMs) throw new Error(`${open} requests are not acknowledged: ${JSON.stringify(tally())}`);
      }
      return tally();
    },
  };
};
