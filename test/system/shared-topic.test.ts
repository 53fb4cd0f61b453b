import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { openSqliteEventLog } from '../../services/runtime/event-log/sqlite.ts';
import type { EventLog } from '../../services/runtime/ports.ts';
import { silentLogger } from '../support/engine.ts';
import { hex, llmOf, requestOf, spanOf } from '../support/hostile.ts';
import { seeded } from '../support/random.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

/** Long enough that two appends lie within it on a starved machine. */
const HOLD_MS = 10_000;
const KILLS = 4;
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

describe(`a topic shared with ordinary services, and kills in mid-hold (seed ${SEED})`, () => {
  let site: Site;
  let up: Tacho;
  let log: EventLog;

  beforeAll(async () => {
    site = await createSite();
    writeFileSync(
      join(site.dir, 'shared.yaml'),
      `kafka:\n  sources:\n    - {topic: otlp_spans, signal: spans, keep: agent_traces, hold_ms: ${HOLD_MS}}\n`,
    );
    up = start();
    await untilReady(site, up);
    const path = join(site.dir, 'log', 'events.sqlite');
    log = await openSqliteEventLog({ path, clock: systemClock, random: systemRandom, logger: silentLogger });
  });
  afterAll(async () => {
    await log?.close();
    up?.kill('SIGKILL');
    await up?.exited;
    site?.remove();
  });
  const start = (): Tacho => startTacho(site, ['--config', join(site.dir, 'shared.yaml'), 'up']);

  const wanted = new Set<string>();
  let others = 0;
  /** Forty traces: first what came before, then, within the hold, what shows whether an agent took part. */
  const sendWave = async (random: () => number): Promise<void> => {
    const traces = Array.from({ length: 40 }, () => {
      const traceId = hex(32);
      const isAgent = random() < 0.3;
      const spans = [spanOf({ traceId, name: 'http' }), (isAgent ? llmOf : spanOf)({ traceId })] as const;
      if (isAgent) for (const { spanId } of spans) wanted.add(spanId);
      else others += 2;
      return { traceId, spans };
    });
    for (const at of [0, 1] as const)
      await log.append(
        traces.map(({ traceId, spans }) => ({
          ...{ topic: 'otlp_spans', key: traceId },
          value: Buffer.from(requestOf([spans[at]])),
        })),
      );
  };

  test('every span of an agent trace is stored once, none of the others, and all of them are counted', async () => {
    const random = seeded(SEED);
    for (let round = 0; round < KILLS; round += 1) {
      for (let wave = 0; wave < 5; wave += 1) {
        await sendWave(random);
        await delay(random() * 400);
      }
      up.kill('SIGKILL');
      await up.exited;
      up = start();
      // Some of the kills meet a process that has just begun, some one that decides.
      await delay(random() * 0.8 * HOLD_MS);
    }
    const sum = (what: string) => `SELECT sum(${what}) AS n FROM batches WHERE service = 'normalizer'`;
    await until(
      'all of it is decided',
      async () => {
        const [row] = await sql<{ n: string }>(site, sum('records'));
        return Number(row?.n) >= wanted.size + others ? true : null;
      },
      240_000,
    );
    const stored = await sql<{ span_id: string }>(site, 'SELECT span_id FROM spans');
    expect(stored.length).toBe(wanted.size);
    expect(new Set(stored.map((row) => row.span_id))).toEqual(wanted);
    expect(await sql(site, sum('filtered'))).toEqual([{ n: String(others) }]);
    expect(await sql(site, sum('duplicates'))).toEqual([{ n: '0' }]);
  });

  test('the audit is clean', async () => {
    const audited = await runTacho(site, ['audit']);
    expect(audited.output).toContain('nothing lost, nothing doubled');
    expect(audited.code).toBe(0);
  });
});
