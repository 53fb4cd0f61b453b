/** Single spans amid the load whose way to the reader is timed: sent, acknowledged, queryable, booked. */
import { setTimeout as delay } from 'node:timers/promises';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import type { AnyValue } from '../../schemas/otlp/types.ts';
import { TENANT_HEADER } from '../../schemas/tenant.ts';
import { seeded } from '../support/random.ts';
import type { LiveSystem } from './live-system.ts';

/** Its rows stand together in every table, so that looking for them costs the store next to nothing. */
const TENANT = 'probe';
const EVERY_MS = 100;
/** Looks this often: what is measured is too late by half of it on average. */
const LOOK_EVERY_MS = 40;

/** A probe's times, milliseconds of this process's clock; null: not yet. */
export interface Probe {
  readonly traceId: string;
  readonly acceptedMs: number;
  queryableMs: number | null;
  bookedMs: number | null;
}

export interface Probes {
  readonly sent: () => readonly Probe[];
  /** Stops sending; looking goes on until all are there or `maxMs` are over. */
  readonly finish: (maxMs: number) => Promise<void>;
}

const probeBody = (traceId: string, spanId: string): Uint8Array => {
  const startUnixNano = BigInt(Date.now()) * 1_000_000n;
  return encodeTraces([
    {
      resource: { attributes: new Map([['service.name', 'probe']]) },
      scope: { name: 'bench', version: '1', attributes: new Map() },
      item: {
        traceId,
        spanId,
        parentSpanId: '',
        name: 'chat gpt-4o',
        kind: 3,
        startUnixNano,
        endUnixNano: startUnixNano + 1_000_000n,
        attributes: new Map<string, AnyValue>([
          ['gen_ai.operation.name', 'chat'],
          ['gen_ai.provider.name', 'openai'],
          ['gen_ai.request.model', 'gpt-4o'],
          ['gen_ai.usage.input_tokens', 10],
          ['gen_ai.usage.output_tokens', 5],
        ]),
        events: [],
        links: [],
        statusCode: 1,
        statusMessage: '',
      },
    },
  ]);
};

/** Starts sending a probe every 100 ms. One that is refused is not counted: it was not accepted. */
export const startProbes = (system: LiveSystem, seed: number): Probes => {
  const random = seeded(seed);
  const hex = (digits: number): string =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('');
  const probes: Probe[] = [];
  let isSending = true;
  let isLooking = true;

  const sendAll = async (): Promise<void> => {
    while (isSending) {
      const traceId = hex(32);
      const headers = { 'content-type': 'application/x-protobuf', [TENANT_HEADER]: TENANT };
      const answer = await fetch(`${system.otlp}/v1/traces`, {
        method: 'POST',
        headers,
        body: new Uint8Array(probeBody(traceId, hex(16))),
      });
      await answer.arrayBuffer();
      if (answer.status === 200)
        probes.push({ traceId, acceptedMs: performance.now(), queryableMs: null, bookedMs: null });
      await delay(EVERY_MS);
    }
  };

  const look = async (): Promise<void> => {
    const waiting = probes.filter(({ bookedMs }) => bookedMs === null);
    if (waiting.length === 0) return;
    const names = waiting.map(({ traceId }) => `'${traceId}'`).join();
    const where = `WHERE tenant_id = '${TENANT}' AND trace_id IN (${names})`;
    const rows = await system.ask(
      `SELECT DISTINCT trace_id, 's' FROM spans ${where} UNION ALL SELECT DISTINCT trace_id, 'l' FROM ledger_entries ${where}`,
    );
    const seenMs = performance.now();
    const seen = new Set(rows.map((row) => row.join()));
    for (const probe of waiting) {
      if (seen.has(`${probe.traceId},s`)) probe.queryableMs ??= seenMs;
      if (seen.has(`${probe.traceId},l`)) probe.bookedMs ??= seenMs;
    }
  };

  const lookAll = async (): Promise<void> => {
    while (isLooking) {
      await look();
      await delay(LOOK_EVERY_MS);
    }
  };

  const sending = sendAll();
  const looking = lookAll();
  return {
    sent: () => probes,
    finish: async (maxMs) => {
      isSending = false;
      await sending;
      const endMs = performance.now() + maxMs;
      while (performance.now() < endMs && probes.some(({ bookedMs }) => bookedMs === null)) await delay(LOOK_EVERY_MS);
      isLooking = false;
      await looking;
    },
  };
};
