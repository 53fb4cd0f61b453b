import { randomUUID } from 'node:crypto';

/**
 * The only file of the emitter that asks for time, chance or the network. Timers never keep the agent's process alive,
 * unless somebody waits for the end of a flush.
 */

/** Milliseconds since 1970. */
export const nowMs = (): number => Date.now();

/** 36 characters. */
export const uuid = (): string => randomUUID();

/** Resolves after `ms`, or at once when the signal fires. Does not keep the process alive. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal?.addEventListener('abort', done, { once: true });
  });

/** Between half and the whole of `ms`, so that many agents do not come back to a broker in the same moment. */
export const jittered = (ms: number): number => ms / 2 + (Math.random() * ms) / 2;

/**
 * Resolves true when the work did within `ms`, else false: the work goes on unheard, its failure too. `isAwaited` keeps
 * the process alive meanwhile: for a flush at the end of a program, which nothing else would hold.
 */
export const within = async (ms: number, work: Promise<unknown>, isAwaited = false): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
    if (!isAwaited) timer.unref();
  });
  try {
    return await Promise.race([
      work.then(
        () => true,
        () => false,
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
};

/** What the work gives, or throws once `ms` have passed: after a broker restart some promises of kafkajs never settle. */
export const withDeadline = async <T>(ms: number, what: string, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer in ${ms} ms`)), ms);
    timer.unref();
  });
  work.catch(() => {}); // whichever loses the race must not surface as an unhandled rejection
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** A request with an answer in JSON. */
export interface JsonAnswer {
  readonly status: number;
  readonly json: unknown;
}

/** Status and JSON of a GET. Throws when nobody answers in `timeoutMs`, the answer is larger than 16 MiB or no JSON. */
export const getJson = (
  url: string,
  headers: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<JsonAnswer> => askJson(url, { headers }, timeoutMs);

/** As `getJson`, with a body to be taken. */
export const postJson = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: object,
  timeoutMs: number,
): Promise<JsonAnswer> => askJson(url, { headers, method: 'POST', body: JSON.stringify(body) }, timeoutMs);

const askJson = async (
  url: string,
  asked: Pick<RequestInit, 'method' | 'body'> & { readonly headers: Readonly<Record<string, string>> },
  timeoutMs: number,
): Promise<JsonAnswer> => {
  const response = await fetch(url, { ...asked, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
  const text = await boundedText(response);
  return { status: response.status, json: text === '' ? null : JSON.parse(text) };
};

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

const boundedText = async (response: Response): Promise<string> => {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
};
