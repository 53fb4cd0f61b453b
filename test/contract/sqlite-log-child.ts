/**
 * A process of its own at a sqlite log, for tests that kill it. Arguments: what to do, the file, then
 * `append PREFIX` (appends for ever, a line per acknowledged value), `consume GROUP` (a line per committed value) or
 * `hold GROUP` (blocks in its first batch, then tells what became of the commit).
 */
import { writeSync } from 'node:fs';
import { systemClock, systemRandom } from '../../services/runtime/clock.ts';
import { openSqliteEventLog } from '../../services/runtime/event-log/sqlite.ts';
import { codeOf, joinGroup, quietLogger, record, text } from './event-log-fixture.ts';

const TOPIC = 'otlp_spans';
const [what = '', path = '', name = ''] = process.argv.slice(2);
const log = await openSqliteEventLog({ path, clock: systemClock, random: systemRandom, logger: quietLogger });
// Written at once: a line that stands in a buffer when the process is killed would look like a lost acknowledgement.
// Standard output is a pipe that does not block: a reader that is behind makes it say EAGAIN, and the rest waits.
const say = (line: string): void => {
  const bytes = Buffer.from(`${line}\n`);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
    }
  }
};

const appendForEver = async (lane: number): Promise<never> => {
  for (let n = 0; ; n += 1) {
    const values = [`${name}-${lane}-${n}-a`, `${name}-${lane}-${n}-b`];
    const positions = await log.append(values.map((value) => record(TOPIC, value, { key: value })));
    for (const [index, { partition, offset }] of positions.entries()) say(`${values[index]} ${partition} ${offset}`);
  }
};

say('ready');
if (what === 'append') await Promise.all(Array.from({ length: 8 }, (_, lane) => appendForEver(lane)));
if (what === 'consume') {
  await joinGroup(log, {
    ...{ group: name, topics: [TOPIC], options: { recordsMax: 20, lingerMs: 0 } },
    onBatch: async ({ batch }, assignment) => {
      await assignment.commit((batch.records.at(-1)?.offset ?? -1) + 1, '');
      for (const one of batch.records) say(`${text(one.value)} ${assignment.partition} ${one.offset}`);
      return 'continue';
    },
  });
}
if (what === 'hold') {
  await joinGroup(log, {
    ...{ group: name, topics: [TOPIC], options: { lingerMs: 0 } },
    onBatch: async (_seen, assignment) => {
      say('holding');
      // Blocks the thread: after it no heartbeat comes between the pause and the commit.
      for (const endMs = systemClock.nowMs() + 2_000; systemClock.nowMs() < endMs; );
      say(await codeOf(assignment.commit(1, 'zombie')));
      return 'stop';
    },
  });
}
