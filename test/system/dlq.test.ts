import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { openSqliteEventLog } from '../../services/runtime/event-log/sqlite.ts';
import type { EventLog, RecordPosition } from '../../services/runtime/ports.ts';
import { silentLogger } from '../support/engine.ts';
import { llmOf, requestOf } from '../support/hostile.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

/** Records that make the window of the brake in these tests. */
const WINDOW = 40;

let site: Site;
let log: EventLog;
let up: Tacho | null = null;

beforeAll(async () => {
  site = await createSite({ TACHO_STREAM_BRAKE_WINDOW_RECORDS: String(WINDOW) });
  // A bad deploy: the topic of spans is read as if it held logs.
  const sources = ['{topic: otlp_spans, signal: logs}', '{topic: otlp_logs, signal: logs}'];
  writeFileSync(
    join(site.dir, 'bad.yaml'),
    `kafka:\n  sources:\n${sources.map((source) => `    - ${source}\n`).join('')}`,
  );
});
afterAll(async () => {
  await log?.close();
  up?.kill('SIGKILL');
  await up?.exited;
  site.remove();
});

const startUp = async (...args: readonly string[]): Promise<void> => {
  up = startTacho(site, [...args, 'up']);
  await untilReady(site, up);
  log ??= await openSqliteEventLog({
    ...{ path: join(site.dir, 'log', 'events.sqlite'), clock: systemClock, random: systemRandom },
    logger: silentLogger,
  });
};
const stopUp = async (): Promise<void> => {
  up?.kill('SIGTERM');
  await up?.exited;
};
const dlq = (...args: readonly string[]) => runTacho(site, ['dlq', ...args]);

const bodyOf = (name: string): Buffer => Buffer.from(requestOf([llmOf({ name })]));
const placeOf = ({ topic, partition, offset }: RecordPosition): string => `${topic}/${partition}/${offset}`;
const put = (values: readonly Uint8Array[], partition = 0): Promise<readonly RecordPosition[]> =>
  log.append(values.map((value) => ({ topic: 'otlp_spans', key: 'k', value, partition })));
const untilRows = async (what: string, query: string, count: number): Promise<void> => {
  await until(what, async () => {
    const [row] = await sql<{ n: string }>(site, query);
    return Number(row?.n) >= count ? true : null;
  });
};
const names = async (): Promise<readonly string[]> =>
  (await sql<{ name: string }>(site, 'SELECT name FROM spans ORDER BY name')).map((row) => row.name);

describe('what a bad deploy refused', () => {
  let positions: readonly RecordPosition[];

  test('is listed with its origin and its reason, and shown without its contents', async () => {
    await startUp('--config', join(site.dir, 'bad.yaml'));
    positions = await put([bodyOf('call a'), bodyOf('call b'), bodyOf('call c'), Buffer.from('{"never":"fine"}')]);
    await untilRows('dead letters', 'SELECT count() AS n FROM dead_letters', 4);
    await stopUp();
    await startUp();

    const listed = await dlq('list', '--topic', 'otlp_spans', '--since', '1h', '--format', 'TSV');
    expect(listed.code).toBe(0);
    expect(listed.output.trim().split('\n')).toHaveLength(4);
    for (const position of positions) expect(listed.output).toContain(placeOf(position));
    expect(listed.output).toContain('unsupported_signal');

    expect(await dlq('list', '--topic', 'otlp_logs')).toMatchObject({ code: 0, output: 'no rows\n' });

    const shown = await dlq('show', placeOf(positions[0] ?? expect.fail()));
    expect(shown.code).toBe(0);
    expect(shown.output).toContain('read today     1 fine, 0 refused');
    expect(shown.output).not.toContain('call a');
  });

  test('gives its bytes only to those whose look was written down', async () => {
    const position = placeOf(positions[1] ?? expect.fail());
    const file = join(site.dir, 'letter.bin');
    const looked = await dlq('show', position, '--bytes', '64', '--out', file);
    expect(looked.code, looked.output).toBe(0);
    expect(looked.output).toContain('nothing in them is redacted');
    expect(looked.output).toContain('resourceSpans'.slice(0, 8));
    expect(readFileSync(file, 'utf8')).toContain('call b');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const lines = await sql<{ subject: string }>(site, "SELECT subject FROM access_log WHERE action = 'dlq_read'");
    expect(lines.map(({ subject }) => subject.endsWith(position))).toEqual([true]);
  });

  test('a dry run writes nothing', async () => {
    const before = await log.ranges('otlp_spans');
    const tried = await dlq('replay', '--all', '--dry-run');
    expect(tried.output).toContain('4 would be replayed');
    expect(await log.ranges('otlp_spans')).toEqual(before);
  });

  test('is stored once by a replay, also when it is replayed again', async () => {
    const replayed = await dlq('replay', '--reason', 'unsupported_signal');
    expect(replayed.code, replayed.output).toBe(0);
    expect(replayed.output).toContain('3 replayed');
    await untilRows('calls', 'SELECT count() AS n FROM spans', 3);
    expect((await dlq('replay', '--topic', 'otlp_spans', '--limit', '3')).output).toContain('replayed before');
    const again = await dlq('replay', '--again', ...positions.slice(0, 3).map(placeOf));
    expect(again.output).toContain('3 replayed');
    await untilRows('duplicates', "SELECT sum(duplicates) AS n FROM batches WHERE service = 'normalizer'", 3);
    expect(await names()).toEqual(['call a', 'call b', 'call c']);
  });

  test('refused again, it names its first origin, however often', async () => {
    const first = positions[3] ?? expect.fail();
    const logId = await log.logId('otlp_spans');
    const refusals = (count: number) =>
      until(`${count} refusals of replays`, async () => {
        const rows = await sql<{ at: string; replay_of: string }>(
          site,
          `SELECT concat(log_topic, '/', toString(log_partition), '/', toString(log_offset)) AS at, replay_of
           FROM dead_letters WHERE replay_of IS NOT NULL ORDER BY log_offset`,
        );
        return rows.length === count ? rows : null;
      });
    // The replay by topic above has tried it once.
    await refusals(1);
    await dlq('replay', '--again', placeOf(first));
    const [, second] = await refusals(2);
    await dlq('replay', second?.at ?? expect.fail());
    for (const row of await refusals(3)) expect(row.replay_of).toBe(`${logId}/${placeOf(first)}`);
  });

  test('what is not there, and what was mistyped, is said with its exit code', async () => {
    expect((await dlq('show', 'otlp_spans/0/999999')).code).toBe(1);
    expect((await dlq('replay', 'otlp_spans/0/999999')).code).toBe(1);
    expect((await dlq('release')).code).toBe(1);
    const wrong = await dlq('replay', 'over there', '--reason', 'bad', '--since', 'lately', '--topic', 'a b');
    expect(wrong.code).toBe(2);
    for (const key of ['position', '--reason', '--since', '--topic']) expect(wrong.output).toContain(key);
    expect((await dlq('replay')).output).toContain('or --all');
    const help = await dlq('--help');
    for (const word of ['list', 'show', 'replay', 'release']) expect(help.output).toContain(word);
  });
});

describe('the brake', () => {
  const bad = (count: number): readonly Uint8Array[] => Array.from({ length: count }, () => Buffer.from('{"no":1}'));
  const good = (count: number): readonly Uint8Array[] =>
    Array.from({ length: count }, (_, at) => bodyOf(`brake ${at}`));

  test('holds a partition before most of it is in the bin; the others go on; everyone can see it', async () => {
    await put(good(WINDOW), 1);
    await untilRows('good ones', "SELECT count() AS n FROM spans WHERE name LIKE 'brake%'", WINDOW);
    await put(bad(WINDOW), 1);
    const state = await until('the brake', async () => {
      const ready = await (await fetch(`${site.api}/readyz`)).text();
      return ready.includes('the brake') ? ready : null;
    });
    expect(state).toContain('otlp_spans/1');
    expect(state).toMatch(/of the last 40 records refused, mostly (unsupported_signal|malformed_json)/);
    const [binned] = await sql<{ n: string }>(site, 'SELECT count() AS n FROM dead_letters WHERE log_partition = 1');
    expect(Number(binned?.n)).toBeLessThanOrEqual(WINDOW / 2);
    expect(await (await fetch(`${site.api}/metrics`)).text()).toContain(
      'tacho_stream_brake_stops_total{service="normalizer",topic="otlp_spans"} 1',
    );
    await put([bodyOf('elsewhere')], 0);
    await untilRows('the other partition', "SELECT count() AS n FROM spans WHERE name = 'elsewhere'", 1);
    const doctor = await runTacho(site, ['doctor']);
    expect(doctor.code).toBe(1);
    expect(doctor.output).toMatch(/FIX {3}brakes +normalizer otlp_spans\/1 at \d+ since/);
    expect(doctor.output).toContain('tacho dlq release');
  });

  test('a restart lets no more through', async () => {
    await stopUp();
    await startUp().catch(() => undefined);
    await until('the brake again', async () =>
      (await (await fetch(`${site.api}/readyz`)).text()).includes('the brake') ? true : null,
    );
    const [binned] = await sql<{ n: string }>(site, 'SELECT count() AS n FROM dead_letters WHERE log_partition = 1');
    expect(Number(binned?.n)).toBeLessThanOrEqual(WINDOW / 2);
  });

  test('released, what is in the log passes without a restart, and it holds again for what comes after', async () => {
    const released = await dlq('release', '--topic', 'otlp_spans', '--partition', '1');
    expect(released.code, released.output).toBe(0);
    await untilRows(
      'all of them',
      'SELECT uniqExact(log_offset) AS n FROM dead_letters WHERE log_partition = 1',
      WINDOW,
    );
    await untilReady(site, up ?? expect.fail());
    expect((await runTacho(site, ['doctor'])).output).toMatch(/ok {4}brakes/);
    await put([...good(WINDOW), ...bad(WINDOW)], 1);
    await until('the brake once more', async () =>
      (await (await fetch(`${site.api}/readyz`)).text()).includes('the brake') ? true : null,
    );
    expect((await dlq('release', '--service', 'normalizer')).code).toBe(0);
    await untilRows(
      'the rest',
      'SELECT uniqExact(log_offset) AS n FROM dead_letters WHERE log_partition = 1',
      2 * WINDOW,
    );
  });

  test('the audit of all of it is clean', async () => {
    const audited = await runTacho(site, ['audit']);
    expect(audited.output).toContain('nothing lost, nothing doubled');
    expect(audited.code).toBe(0);
  });
});
