import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { openSqliteEventLog, type SqliteLogOptions } from '../../services/runtime/event-log/sqlite.ts';
import type { EventLog } from '../../services/runtime/ports.ts';
import { codeOf, joinGroup, quietLogger, record, text, topicSpec, until } from './event-log-fixture.ts';

const TOPIC = 'otlp_spans';
const GROUP = 'tacho-normalizer';
let folder = '';
let path = '';
let children: ChildProcess[] = [];
let logs: EventLog[] = [];

const open = async (more: Partial<SqliteLogOptions> = {}): Promise<EventLog> => {
  const log = await openSqliteEventLog({
    path,
    clock: systemClock,
    random: systemRandom,
    logger: quietLogger,
    ...more,
  });
  logs.push(log);
  return log;
};

const startChild = (...args: string[]): { child: ChildProcess; lines: () => string[] } => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./sqlite-log-child.ts', import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  // The last piece may be half a line: what was not written whole was not acknowledged.
  return { child, lines: () => out.split('\n').slice(0, -1) };
};

/** False while somebody is in the middle of a transaction: one who stands still there lets nobody else write. */
const isWritable = (): boolean => {
  const database = new DatabaseSync(path, { timeout: 200 });
  try {
    database.exec('BEGIN IMMEDIATE; ROLLBACK');
    return true;
  } catch {
    return false;
  } finally {
    database.close();
  }
};

const kill = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await ended;
};

const allValues = async (log: EventLog): Promise<string[]> => {
  const count = (await log.ranges(TOPIC)).reduce((sum, { start, end }) => sum + end - start, 0);
  const reader = await joinGroup(log, { group: systemRandom.uuid(), topics: [TOPIC], options: { recordsMax: 1_000 } });
  await until('everything is read', () => reader.values.length >= count);
  await reader.close();
  return reader.seen.flatMap(({ partition, batch }) =>
    batch.records.map((one) => `${text(one.value)} ${partition} ${one.offset}`),
  );
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tacho-log-'));
  path = join(folder, 'deep', 'log.db');
  [children, logs] = [[], []];
});
afterEach(async () => {
  for (const child of children) await kill(child);
  for (const log of logs) await log.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a sqlite log keeps what it acknowledged', () => {
  test('closed and opened again, everything is there: records, commits, identity', async () => {
    const first = await open();
    await first.ensureTopics([topicSpec(TOPIC, 2)]);
    await first.append(Array.from({ length: 50 }, (_, n) => record(TOPIC, `${n}`, { key: `${n}` })));
    const member = await joinGroup(first, { group: GROUP, topics: [TOPIC] });
    await until('all is read', () => member.values.length === 50);
    const before = [await first.logId(TOPIC), await first.ranges(TOPIC), await first.committed(GROUP, TOPIC)];
    await first.close();
    const second = await open();
    expect([await second.logId(TOPIC), await second.ranges(TOPIC), await second.committed(GROUP, TOPIC)]).toEqual(
      before,
    );
    expect(await allValues(second)).toHaveLength(50);
  });

  test('a process killed in the midst of appends loses nothing it acknowledged and doubles nothing', async () => {
    const setup = await open();
    await setup.ensureTopics([topicSpec(TOPIC, 2)]);
    for (let round = 0; round < 3; round += 1) {
      const { child, lines } = startChild('append', path, `r${round}`);
      await until('some appends', () => lines().length > 200 + 150 * round);
      await kill(child);
      const acknowledged = lines().slice(1);
      const stored = (await allValues(setup)).filter((line) => line.startsWith(`r${round}-`));
      const storedSet = new Set(stored);
      expect(acknowledged.filter((line) => !storedSet.has(line))).toEqual([]);
      expect(new Set(stored.map((line) => line.split(' ')[0])).size).toBe(stored.length);
    }
  });

  test('two processes append to one file at the same time', async () => {
    const log = await open();
    await log.ensureTopics([topicSpec(TOPIC, 2)]);
    const writers = [startChild('append', path, 'a'), startChild('append', path, 'b')];
    await until('both append', () => writers.every(({ lines }) => lines().length > 200));
    for (const { child } of writers) await kill(child);
    const stored = new Set(await allValues(log));
    for (const { lines } of writers)
      expect(
        lines()
          .slice(1)
          .filter((line) => !stored.has(line)),
      ).toEqual([]);
    const places = [...stored].map((line) => line.split(' ').slice(1).join('/'));
    expect(new Set(places).size).toBe(places.length);
  });
});

describe('several processes consume one sqlite log', () => {
  const feed = (log: EventLog, from: number): Promise<unknown> =>
    log.append(Array.from({ length: 40 }, (_, n) => record(TOPIC, `${from + n}`, { partition: n % 2 })));

  test('they share the partitions, and each record is committed by one of them', async () => {
    const log = await open();
    await log.ensureTopics([topicSpec(TOPIC, 2)]);
    const consumers = [startChild('consume', path, GROUP), startChild('consume', path, GROUP)];
    await until('both are up', () => consumers.every(({ lines }) => lines().includes('ready')));
    let fed = 0;
    // A record committed by one process shows no one which process; work until both had some.
    while (!consumers.every(({ lines }) => lines().length > 1) && fed < 4_000) {
      await feed(log, fed);
      fed += 40;
      await until('it is consumed', () => consumers.flatMap(({ lines }) => lines().slice(1)).length >= fed);
    }
    const values = consumers.flatMap(({ lines }) => lines().slice(1)).map((line) => Number(line.split(' ')[0]));
    expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: fed }, (_, n) => n));
    expect(consumers.every(({ lines }) => lines().length > 1)).toBe(true);
  });

  test('the partitions of a killed process are taken over well before its lease would end', async () => {
    const log = await open();
    await log.ensureTopics([topicSpec(TOPIC, 2)]);
    const { child, lines } = startChild('consume', path, GROUP);
    await feed(log, 0);
    await until('the child consumes', () => lines().length > 40);
    await kill(child);
    const killedAtMs = systemClock.nowMs();
    await feed(log, 40);
    const heir = await joinGroup(log, { group: GROUP, topics: [TOPIC] });
    await until('the heir goes on', () => heir.values.length >= 40, 4_000);
    expect(systemClock.nowMs() - killedAtMs).toBeLessThan(4_000);
    expect(heir.values.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, n) => 40 + n));
  });

  test('a member that only sleeps keeps its partitions, until its lease is over', async () => {
    let skewMs = 0;
    const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + skewMs };
    const log = await open();
    await log.ensureTopics([topicSpec(TOPIC, 1)]);
    const { child, lines } = startChild('consume', path, GROUP);
    await feed1(log);
    await until('the child consumes', () => lines().length > 1);
    child.kill('SIGSTOP');
    const other = await open({ clock });
    const heir = await joinGroup(other, { group: GROUP, topics: [TOPIC] });
    expect(heir.assignments).toEqual([]);
    skewMs = 6_000;
    await until('the lease is over and the heir has it', () => heir.assignments.length === 1);
    await feed1(log);
    await until('the heir consumes', () => heir.values.length === 1);
    child.kill('SIGCONT');
    await feed1(log);
    await until('the heir goes on', () => heir.values.length === 2);
    expect(lines().length).toBe(2);
  });
  test('a process that wakes up after its lease cannot commit over its successor', async () => {
    let skewMs = 0;
    const log = await open();
    await log.ensureTopics([topicSpec(TOPIC, 1)]);
    await feed1(log);
    const { child, lines } = startChild('hold', path, GROUP);
    await until('the child is in its batch', () => lines().includes('holding'));
    await until('the child stands still, and not in the middle of a heartbeat', () => {
      child.kill('SIGSTOP');
      if (isWritable()) return true;
      child.kill('SIGCONT');
      return false;
    });
    const other = await open({ clock: { ...systemClock, nowMs: () => systemClock.nowMs() + skewMs } });
    const heir = await joinGroup(other, { group: GROUP, topics: [TOPIC] });
    skewMs = 6_000;
    await until('the heir commits', () => heir.values.length === 1);
    child.kill('SIGCONT');
    await until('the zombie tries', () => lines().length > 2);
    expect(lines()).toEqual(['ready', 'holding', 'FENCED']);
    expect((await log.committed(GROUP, TOPIC)).get(0)).toEqual({ offset: 1, metadata: '' });
  });

  const feed1 = (log: EventLog): Promise<unknown> => log.append([record(TOPIC, 'one')]);
});

describe('a batch on a sqlite log', () => {
  test('waits lingerMs after its first record, so that a trickle makes one batch', async () => {
    const log = await open();
    await log.ensureTopics([topicSpec(TOPIC, 1)]);
    const member = await joinGroup(log, { group: GROUP, topics: [TOPIC], options: { lingerMs: 1_000 } });
    for (let n = 0; n < 5; n += 1) await log.append([record(TOPIC, `${n}`)]);
    await until('they are read', () => member.values.length === 5);
    expect(member.seen).toHaveLength(1);
    expect(member.seen[0]?.batch.logEnd).toBe(5);
  });

  test('is handed over at once when it is full, however long it might linger', async () => {
    const log = await open();
    await log.ensureTopics([topicSpec(TOPIC, 1)]);
    const options = { lingerMs: 600_000, recordsMax: 2 };
    const member = await joinGroup(log, { group: GROUP, topics: [TOPIC], options });
    for (let n = 0; n < 4; n += 1) await log.append([record(TOPIC, `${n}`)]);
    await until('they are read', () => member.values.length === 4);
    expect(member.seen.map(({ batch }) => batch.records.length)).toEqual([2, 2]);
  });
});

describe('limits of a sqlite log', () => {
  test('time does not go backwards within a partition when the clock does', async () => {
    let nowMs = 1_800_000_000_000;
    const log = await open({ clock: { ...systemClock, nowMs: () => nowMs } });
    await log.ensureTopics([topicSpec(TOPIC, 1)]);
    await log.append([record(TOPIC, 'one')]);
    nowMs -= 3_600_000;
    await log.append([record(TOPIC, 'two')]);
    const second = await open();
    const reader = await joinGroup(second, { group: GROUP, topics: [TOPIC] });
    await until('both are read', () => reader.values.length === 2);
    expect(reader.seen.flatMap(({ batch }) => batch.records.map((r) => r.timestampMs))).toEqual([
      1_800_000_000_000, 1_800_000_000_000,
    ]);
  });

  test('a foreign file is refused, not overwritten', async () => {
    const foreign = join(folder, 'foreign.db');
    const db = new DatabaseSync(foreign);
    db.exec('CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)');
    db.close();
    const before = await readFile(foreign);
    const opening = open({ path: foreign });
    await expect(opening).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
    expect(Buffer.compare(await readFile(foreign), before)).toBe(0);
    const garbage = join(folder, 'garbage.db');
    await writeFile(garbage, 'no database at all '.repeat(1_000));
    await expect(open({ path: garbage })).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
    await expect(open({ path: join(garbage, 'x.db') })).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' });
  });

  test('a file deleted under a running log is told by ping', async () => {
    const log = await open();
    await log.ping();
    await rm(path);
    expect(await codeOf(log.ping())).toBe('LOG_GONE');
  });

  test('a closed log refuses work, and closing twice is one closing', async () => {
    const log = await open();
    await Promise.all([log.close(), log.close()]);
    expect(await codeOf(log.ping())).toBe('LOG_UNAVAILABLE');
    expect(await codeOf(log.append([record(TOPIC, 'x')]))).toBe('LOG_UNAVAILABLE');
  });
});
