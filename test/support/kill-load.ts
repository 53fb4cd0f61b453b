import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { listFiles, readPayloads } from '../../services/commands/payload-files.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { type OtlpPayload, sendOtlp } from '../../services/runtime/otlp-sender.ts';
import type { Dice } from './random.ts';

/** Emitters sent over and over while things are killed: spans, logs, many traces, one large trace. */
export const KILL_SET = ['strands', 'openlit', 'gemini-cli', 'vercel-ai7', 'codex'] as const;

/** Spans and log records of these captures. */
export const itemsIn = (names: readonly string[]): number => {
  const file = resolve(import.meta.dirname, '..', 'fixtures', 'index.json');
  const index = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly emitters: Readonly<
      Record<string, { readonly totals: { readonly spans: number; readonly log_records: number } }>
    >;
  };
  return names.reduce((sum, name) => {
    const totals = index.emitters[name]?.totals;
    return sum + (totals?.spans ?? 0) + (totals?.log_records ?? 0);
  }, 0);
};

/** Every export request in these folders. */
export const payloadsIn = async (folders: readonly string[]): Promise<readonly OtlpPayload[]> => {
  const payloads: OtlpPayload[] = [];
  for (const file of listFiles(folders))
    for await (const entry of readPayloads(file)) if (entry.kind === 'payload') payloads.push(entry.payload);
  return payloads;
};

/** The tenant of a round: all payloads once. */
export const tenantOf = (round: number): string => `round-${round}`;

/** A broker takes up to a minute to come back, a whole system as long. */
const RETRY_FOR_MS = 300_000;

const sendOne = async (url: string, tenant: string, payload: OtlpPayload, signal?: AbortSignal): Promise<void> => {
  const settings = { url, tenant, token: null, retryForMs: RETRY_FOR_MS };
  const answer = await sendOtlp(settings, payload, systemClock, signal);
  if (answer.status !== 200) throw new Error(`${url} refused a recorded request: ${answer.message}`);
};

/** Sends a round as fast as it is taken. */
export const sendRound = async (url: string, round: number, payloads: readonly OtlpPayload[]): Promise<void> => {
  for (const payload of payloads) await sendOne(url, tenantOf(round), payload);
};

/** A sender at work. */
export interface Load {
  /** Requests acknowledged so far, repeats among them. */
  readonly acknowledged: () => number;
  /** Ends after the round at hand; gives how many rounds were sent. Rejects with what a receiver refused. */
  readonly finish: () => Promise<number>;
}

const PAUSE_MS = [50, 600] as const;
/** Share of requests whose answer is taken for lost: the sender repeats them. */
const REPEATED = 0.05;
/** Share of requests that go in a burst, without waiting for the answers of those before. */
const BURST = 0.5;

/** Sends round after round, with pauses and bursts, as SDKs do: what is not answered is sent again until it is. */
export const startLoad = (dice: Dice, payloads: readonly OtlpPayload[], urls: () => readonly string[]): Load => {
  let acknowledged = 0;
  let isEnding = false;
  const failed = new AbortController();
  const send = async (round: number, payload: OtlpPayload): Promise<void> => {
    await sendOne(dice.pick(urls()), tenantOf(round), payload, failed.signal);
    acknowledged += 1;
  };
  const sendRoundUnevenly = async (round: number): Promise<void> => {
    const open: Promise<void>[] = [];
    for (const payload of payloads) {
      open.push(send(round, payload));
      if (dice.chance(REPEATED)) open.push(send(round, payload));
      if (!dice.chance(BURST)) await Promise.all(open.splice(0));
      await delay(dice.within(...PAUSE_MS));
    }
    await Promise.all(open);
  };
  const sendAll = async (): Promise<number> => {
    let rounds = 0;
    while (!isEnding || rounds === 0) {
      await sendRoundUnevenly(rounds);
      rounds += 1;
    }
    return rounds;
  };
  const sending = sendAll();
  // Awaited in `finish`; a refusal before that is no unhandled rejection.
  sending.catch(() => failed.abort());
  return {
    acknowledged: () => acknowledged,
    finish: () => {
      isEnding = true;
      return sending;
    },
  };
};
