import { Worker } from 'node:worker_threads';
import { TransportError } from '../errors.ts';
import type { OperationKind, Operations, Refusal, WorkerMessage, WorkerSettings } from './sqlite-protocol.ts';

type News = Extract<WorkerMessage, { kind: 'news' }>;

/** A worker thread, asked by message. */
export interface WorkerLink {
  /** Throws the worker's TransportError, or LOG_UNAVAILABLE when the worker is gone. */
  readonly ask: <Kind extends OperationKind>(
    kind: Kind,
    ask: Operations[Kind]['ask'],
    transfer?: readonly ArrayBuffer[],
  ) => Promise<Operations[Kind]['answer']>;
  /** Answers what was asked before, closes the file and ends the thread. */
  readonly close: () => Promise<void>;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: TransportError) => void;
}

/**
 * A worker makes short-lived objects around buffers that lie outside its heap: V8 would let what they are made in grow to
 * 75 to 140 MB, of which 5 live.
 */
const YOUNG_MB = 8;

const errorOf = ({ code, message, retryable }: Refusal): TransportError =>
  new TransportError(code, message, { retryable });

/** Starts a worker; rejects with its TransportError when it cannot open the file. `onNews`: what others wrote. */
export const startWorker = (settings: WorkerSettings, onNews: (news: News) => void): Promise<WorkerLink> => {
  const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
    workerData: settings,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const waiting = new Map<number, Waiting>();
  let gone: TransportError | null = null;
  let asked = 0;
  const ask = <Kind extends OperationKind>(
    kind: Kind,
    question: Operations[Kind]['ask'],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Operations[Kind]['answer']> =>
    new Promise((resolve, reject) => {
      if (gone !== null) return reject(gone);
      asked += 1;
      // The worker answers each kind with the type Operations names for it; messages carry no types.
      waiting.set(asked, { resolve: resolve as (answer: unknown) => void, reject });
      worker.postMessage({ id: asked, kind, ask: question }, transfer);
    });
  const end = (error: TransportError): void => {
    gone ??= error;
    for (const { reject } of waiting.values()) reject(gone);
    waiting.clear();
  };
  const onReplies = ({ replies }: Extract<WorkerMessage, { kind: 'replies' }>): void => {
    for (const reply of replies) {
      const one = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (reply.kind === 'answer') one?.resolve(reply.answer);
      else one?.reject(errorOf(reply.refusal));
    }
  };
  const close = async (): Promise<void> => {
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
    if (gone !== null) return;
    await ask('close', null);
    await ended;
  };
  return new Promise((resolve, reject) => {
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'replies') onReplies(message);
      else if (message.kind === 'news') onNews(message);
      else if (message.kind === 'ready') resolve({ ask, close });
      else reject(errorOf(message.refusal));
    });
    worker.on('error', (cause) => {
      const error = new TransportError('LOG_UNAVAILABLE', 'the log worker broke', { retryable: true, cause });
      end(error);
      reject(error);
    });
    worker.on('exit', () => {
      const error = new TransportError('LOG_UNAVAILABLE', 'the log worker ended', { retryable: true });
      end(error);
      reject(error);
    });
  });
};
