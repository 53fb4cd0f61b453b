import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LedgerEntry, TOKEN_COLUMNS } from '../../schemas/ledger-entry.ts';
import { decodeOpenaiAgentsIngest } from '../../schemas/openai-agents-ingest.ts';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import type { OtlpRequest } from '../../schemas/otlp/types.ts';
import type { Outcome } from '../../schemas/outcome.ts';
import { netBookings } from '../../services/ledger/step-fixture.ts';
import { compared, EMITTERS, type Net } from '../golden/ledger-truth.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, untilReady } from '../support/tacho.ts';

const captures = resolve(import.meta.dirname, '..', 'fixtures', 'captures');
const names = readdirSync(captures).sort();

interface Sent {
  readonly spans: number;
  readonly logs: number;
}

/** What a file holds, by the signal its description names; metrics are counted and not stored. */
const HOLDS: Readonly<Record<string, (body: Uint8Array) => Sent>> = {
  traces: (body) => ({ spans: itemsOf(decodeTraces(body)), logs: 0 }),
  logs: (body) => ({ spans: 0, logs: itemsOf(decodeLogs(body)) }),
  other: (body) => {
    const decoded = decodeOpenaiAgentsIngest(body);
    if (decoded.kind === 'refused') throw new Error(decoded.detail);
    return { spans: decoded.value.spans.length, logs: decoded.value.logs.length };
  },
};
const itemsOf = (decoded: Outcome<OtlpRequest<unknown>>): number =>
  decoded.kind === 'ok' ? decoded.value.items.length : 0;

/** Spans and log records of a capture, counted by decoding its files: what must be rows. */
const sentIn = (name: string): Sent =>
  readdirSync(join(captures, name))
    .filter((file) => file.endsWith('.meta.json'))
    .map((file) => {
      const meta = JSON.parse(readFileSync(join(captures, name, file), 'utf8')) as { signal: string; file: string };
      return HOLDS[meta.signal]?.(readFileSync(join(captures, name, meta.file))) ?? { spans: 0, logs: 0 };
    })
    .reduce((sum, one) => ({ spans: sum.spans + one.spans, logs: sum.logs + one.logs }), { spans: 0, logs: 0 });

/** Bookings in force of a tenant, as the store has them: its 64-bit numbers are texts. */
const bookingsOf = async (site: Site, tenant: string): Promise<readonly Net[]> => {
  const rows = await sql<Record<string, unknown>>(site, `SELECT * FROM ledger_entries WHERE tenant_id = '${tenant}'`);
  const entries = rows.map((row) => ({
    ...row,
    calls: Number(row['calls']),
    ...Object.fromEntries(
      TOKEN_COLUMNS.map((column) => [column, row[column] === null ? null : Number(row[column])] as const),
    ),
  }));
  return netBookings(entries as readonly unknown[] as LedgerEntry[]) as readonly unknown[] as Net[];
};

const compareWithTruth = async (site: Site): Promise<void> => {
  for (const name of EMITTERS) {
    const { facts, truth } = compared(name, await bookingsOf(site, name));
    expect(facts, name).toEqual(truth);
  }
};

/** Fifty-two processes one after the other; four minutes on a machine of two cores that has more to do. */
const WHOLE_MS = 900_000;

describe('a whole import', () => {
  let site: Site;
  let up: Tacho;

  beforeAll(async () => {
    site = await createSite();
    up = startTacho(site, ['up', '--data', site.dir, '--exit-when-idle']);
    await untilReady(site, up);
  });
  afterAll(async () => {
    up.kill('SIGKILL');
    await up.exited;
    site.remove();
  });

  test(
    'every span and log record sent is a row in spans, twice sent is once stored, and the process ends by itself',
    async () => {
      for (const name of names) {
        const once = await runTacho(site, ['import', join(captures, name), '--tenant', name, '--wait']);
        expect(once.code, `${name}: ${once.output}`).toBe(0);
        expect(once.output).toContain(', 0 missing, 0 doubled');
      }
      for (const name of names) {
        const again = await runTacho(site, ['import', join(captures, name), '--tenant', name, '--wait']);
        expect(again.code, `${name} again: ${again.output}`).toBe(0);
      }
      const rows = await sql<{ tenant_id: string; signal: string; n: string }>(
        site,
        'SELECT tenant_id, signal, count() AS n FROM spans GROUP BY tenant_id, signal',
      );
      const stored = new Map(rows.map((row) => [`${row.tenant_id}/${row.signal}`, Number(row.n)]));
      for (const name of names) {
        const sent = sentIn(name);
        expect(stored.get(`${name}/span`) ?? 0, `${name} spans`).toBe(sent.spans);
        expect(stored.get(`${name}/log`) ?? 0, `${name} log records`).toBe(sent.logs);
      }

      await compareWithTruth(site);
      expect(await up.exited, up.output()).toBe(0);
      const audited = await runTacho(site, ['audit', '--data', site.dir]);
      expect(audited.output).toContain('nothing lost, nothing doubled');
      expect(audited.code).toBe(0);
    },
    WHOLE_MS,
  );
});
