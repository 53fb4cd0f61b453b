import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, untilReady } from '../support/tacho.ts';

const captures = resolve(import.meta.dirname, '..', 'fixtures', 'captures');
const names = readdirSync(captures).sort();

/** Spans and log records of a capture, counted by decoding its files: what must be rows. */
const sentIn = (name: string): { spans: number; logs: number } => {
  const sent = { spans: 0, logs: 0 };
  for (const file of readdirSync(join(captures, name)).filter((f) => f.endsWith('.meta.json'))) {
    const meta = JSON.parse(readFileSync(join(captures, name, file), 'utf8')) as { signal: string; file: string };
    const body = readFileSync(join(captures, name, meta.file));
    if (meta.signal === 'traces') {
      const decoded = decodeTraces(body);
      if (decoded.kind === 'ok') sent.spans += decoded.value.items.length;
    } else if (meta.signal === 'logs') {
      const decoded = decodeLogs(body);
      if (decoded.kind === 'ok') sent.logs += decoded.value.items.length;
    }
  }
  return sent;
};

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

  test('every span and log record sent is a row in spans, twice sent is once stored, and the process ends by itself', async () => {
    for (const name of names) {
      const once = await runTacho(site, ['import', join(captures, name), '--tenant', name, '--wait']);
      expect(once.code, `${name}: ${once.output}`).toBe(0);
      expect(once.output).toContain(', 0 missing, 0 doubled');
    }
    const again = await runTacho(site, ['import', join(captures, 'strands'), '--tenant', 'strands', '--wait']);
    expect(again.output).toContain(', 0 missing, 0 doubled');

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

    expect(await up.exited, up.output()).toBe(0);
    const audited = await runTacho(site, ['audit', '--data', site.dir]);
    expect(audited.output).toContain('nothing lost, nothing doubled');
    expect(audited.code).toBe(0);
  });
});
