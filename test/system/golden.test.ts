import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { decodeTraces } from '../../schemas/otlp/decode.ts';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { type OtlpPayload, sendOtlp } from '../../services/runtime/otlp-sender.ts';
import { compared, EMITTERS, factsOf, type Net } from '../golden/ledger-truth.ts';
import { payloadsIn } from '../support/kill-load.ts';
import { seeded } from '../support/random.ts';
import { createSite, runTacho, sql, startTacho, until, untilReady } from '../support/tacho.ts';

/**
 * Every recorded emitter through one running system (receiver, log, normalizer, ledger, ClickHouse), a tenant for each
 * emitter and order of arrival, and all of them at once in one tenant: each time what `expected.json` says.
 */
const SEED = Number(process.env['SEED'] ?? 20_261_122);
const BOOKED_MAX_MS = 240_000;
/** Requests of one sender under way. */
const AT_ONCE = 8;

const site = await createSite();
const up = startTacho(site, ['up']);
const captures = new Map<string, readonly OtlpPayload[]>();

beforeAll(async () => {
  await untilReady(site, up);
  for (const emitter of EMITTERS) {
    const folder = resolve(import.meta.dirname, '..', 'fixtures', 'captures', emitter);
    captures.set(emitter, await payloadsIn([folder]));
  }
});
afterAll(async () => {
  up.kill('SIGKILL');
  await up.exited;
  site.remove();
});

const shuffled = <T>(list: readonly T[], random: () => number): readonly T[] =>
  list
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

/** One request a span. Log records stay together: two equal ones of one request are two, of two requests one. */
const apart = (payload: OtlpPayload): readonly OtlpPayload[] => {
  const decoded = payload.signal === 'traces' ? decodeTraces(payload.body) : null;
  if (decoded?.kind !== 'ok') return [payload];
  return decoded.value.items.map((item) => ({
    signal: 'traces',
    body: encodeTraces([item]),
    contentType: 'application/x-protobuf',
  }));
};

const ORDERS = {
  recorded: (payloads) => payloads,
  backwards: (payloads) => payloads.flatMap(apart).reverse(),
  'shuffled-twice': (payloads) => {
    const spans = payloads.flatMap(apart);
    return shuffled([...spans, ...spans], seeded(SEED));
  },
} satisfies Record<string, (payloads: readonly OtlpPayload[]) => readonly OtlpPayload[]>;

const send = async (tenant: string, payloads: readonly OtlpPayload[]): Promise<void> => {
  const settings = { url: site.otlp, tenant, token: null, retryForMs: 120_000 };
  for (let at = 0; at < payloads.length; at += AT_ONCE) {
    const answers = await Promise.all(
      payloads.slice(at, at + AT_ONCE).map((payload) => sendOtlp(settings, payload, systemClock)),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  }
};

/** The calls that stand in the books of a tenant. */
const standing = async (tenant: string): Promise<readonly Net[]> => {
  const sums = TOKEN_COLUMNS.map((column) => `sum(entries.${column}) AS ${column}`).join(', ');
  const rows = await sql<Readonly<Record<string, unknown>>>(
    site,
    `SELECT call_id, run_id, family, model, outcome, estimated, unpriced_reason, sum(entries.calls) AS calls, ${sums}
     FROM ledger_entries AS entries WHERE tenant_id = '${tenant}'
     GROUP BY call_id, run_id, family, model, outcome, estimated, unpriced_reason HAVING calls != 0`,
  );
  const number = (value: unknown): number | null => (value === null ? null : Number(value));
  return rows.map((row) => ({
    ...row,
    calls: Number(row['calls']),
    ...Object.fromEntries(TOKEN_COLUMNS.map((column) => [column, number(row[column])])),
  })) as readonly unknown[] as readonly Net[];
};

const untilBooked = async (read: () => Promise<{ readonly facts: object; readonly truth: object }>): Promise<void> => {
  let last = await read();
  await until(
    'booked',
    async () => {
      last = await read();
      return JSON.stringify(last.facts) === JSON.stringify(last.truth) ? true : null;
    },
    BOOKED_MAX_MS,
  ).catch(() => undefined);
  expect(last.facts).toEqual(last.truth);
};

describe.each(Object.entries(ORDERS))(`every emitter, %s (seed ${SEED})`, (order, arrange) => {
  beforeAll(async () => {
    for (const emitter of EMITTERS) await send(`${emitter}-${order}`, arrange(captures.get(emitter) ?? []));
  });

  test.each(EMITTERS)('%s', async (emitter) => {
    await untilBooked(async () => compared(emitter, await standing(`${emitter}-${order}`)));
  });
});

describe('all emitters in one tenant, interleaved and shuffled, each span twice', () => {
  test('are booked as each is alone', async () => {
    const all = [...captures.values()].flat().flatMap(apart);
    await send('everybody', shuffled([...all, ...all], seeded(SEED + 1)));
    const alone = (await Promise.all(EMITTERS.map((emitter) => standing(`${emitter}-recorded`)))).flat();
    // Facts of any emitter whose calls are told one by one; of the sums of mastra-bridge there is only the sum.
    await untilBooked(async () => ({
      facts: factsOf('', await standing('everybody')),
      truth: factsOf('', alone),
    }));
  });

  test('and the audit is clean', async () => {
    const audit = await runTacho(site, ['audit']);
    expect(audit.code, audit.output).toBe(0);
  });
});
