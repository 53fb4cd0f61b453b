import { originText, replayHeaders } from '../../schemas/dead-letter.ts';
import { DEFAULT_TENANT, TENANT_HEADER } from '../../schemas/tenant.ts';
import { TransportError } from '../runtime/errors.ts';
import type { EventLog, OutgoingRecord, RecordPosition, Store } from '../runtime/ports.ts';
import { logActs } from './dlq-actor.ts';
import { type DeadLetter, readDeadLetters } from './dlq-read.ts';
import type { Selection } from './dlq-selection.ts';
import { withLog, withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

export interface ReplayOptions {
  readonly limit: number;
  readonly isDryRun: boolean;
  /** Also those that were replayed before. */
  readonly again: boolean;
}

/** Records and bytes written back at once. */
const CHUNK_RECORDS = 200;
const CHUNK_BYTES = 8 * 1024 * 1024;
const PROGRESS_EVERY = 1_000;

interface Replay {
  readonly world: World;
  readonly log: EventLog;
  readonly store: Store;
  readonly options: ReplayOptions;
  readonly before: ReadonlySet<string>;
  /** Partitions of each topic, where they were asked for. */
  readonly partitions: Map<string, ReadonlySet<number>>;
  readonly chunk: DeadLetter[];
  bytes: number;
  written: number;
  met: number;
  skipped: number;
  failed: number;
}

/**
 * Writes the original bytes of the dead letters that are meant back to their topic and partition, with the origin in a
 * header. Resolves to 0; to 1 when none was there, or one could not be written.
 */
export const replayDeadLetters = async (
  world: World,
  selection: Selection,
  options: ReplayOptions,
): Promise<number> => {
  return withStoredData(world, (opened) =>
    withLog(world, async (log) => {
      const before = options.again ? new Set<string>() : await replayedBefore(opened.store);
      const counts = { bytes: 0, written: 0, met: 0, skipped: 0, failed: 0 };
      const replay: Replay = {
        ...{ world, log, store: opened.store, options, before, partitions: new Map(), chunk: [] },
        ...counts,
      };
      await readDeadLetters(world, log, selection, (letter) => take(replay, letter));
      await flush(replay);
      return tell(replay);
    }),
  );
};

/** Origins that were replayed, as far back as `access_log` goes. */
const replayedBefore = async (store: Store): Promise<ReadonlySet<string>> => {
  const rows = await store.query<{ readonly subject: string }>(
    "SELECT DISTINCT subject FROM access_log WHERE action = 'dlq_replay' LIMIT 1000000",
  );
  return new Set(rows.map((row) => row.subject));
};

const take = async (replay: Replay, letter: DeadLetter): Promise<'more' | 'enough'> => {
  const { options, before, chunk } = replay;
  if (replay.met >= options.limit) return 'enough';
  if (before.has(originText(letter.origin))) {
    replay.skipped += 1;
    return 'more';
  }
  replay.met += 1;
  if (options.isDryRun) {
    const { headers, value } = letter.record;
    replay.world.print(`${originText(letter.origin)}  ${headers['reason'] ?? ''}  ${value.length} bytes`);
  } else {
    chunk.push(letter);
    replay.bytes += letter.record.value.length;
    if (chunk.length >= CHUNK_RECORDS || replay.bytes >= CHUNK_BYTES) await flush(replay);
  }
  return replay.met >= options.limit ? 'enough' : 'more';
};

const flush = async (replay: Replay): Promise<void> => {
  const { world, chunk } = replay;
  const letters = chunk.splice(0);
  replay.bytes = 0;
  if (letters.length === 0) return;
  const before = replay.written;
  try {
    const records = await Promise.all(letters.map((letter) => recordOf(replay, letter)));
    await done(replay, letters, await replay.log.append(records, world.stop));
  } catch (error) {
    if (!(error instanceof TransportError) || error.code !== 'LOG_RECORD_TOO_LARGE') throw error;
    // One of them is too large with its new header; the others go one by one. What went twice is recognised.
    for (const letter of letters) await flushOne(replay, letter);
  }
  if (Math.floor(replay.written / PROGRESS_EVERY) > Math.floor(before / PROGRESS_EVERY))
    world.progress(`${replay.written} written so far`);
};

const flushOne = async (replay: Replay, letter: DeadLetter): Promise<void> => {
  try {
    const record = await recordOf(replay, letter);
    await done(replay, [letter], await replay.log.append([record], replay.world.stop));
  } catch (error) {
    if (!(error instanceof TransportError) || error.code !== 'LOG_RECORD_TOO_LARGE') throw error;
    replay.failed += 1;
    replay.world.progress(`${originText(letter.origin)}: ${error.message}`);
  }
};

/** To its own partition, where it meets what was stored of it; by its key when the topic has that partition no more. */
const recordOf = async ({ log, partitions }: Replay, { origin, record }: DeadLetter): Promise<OutgoingRecord> => {
  const { topic, partition } = origin;
  const known = partitions.get(topic) ?? new Set((await log.ranges(topic)).map((range) => range.partition));
  partitions.set(topic, known);
  return {
    ...{ topic, value: record.value, headers: replayHeaders(record.headers, origin) },
    key: record.key === null ? null : Buffer.from(record.key).toString('utf8'),
    ...(known.has(partition) ? { partition } : {}),
  };
};

const done = async (
  replay: Replay,
  letters: readonly DeadLetter[],
  positions: readonly RecordPosition[],
): Promise<void> => {
  replay.written += letters.length;
  const acts = letters.map(({ origin, record }, at) => {
    const to = positions[at];
    return {
      action: 'dlq_replay' as const,
      tenant: record.headers[TENANT_HEADER] ?? DEFAULT_TENANT,
      subject: originText(origin),
      detail: to === undefined ? '' : `to ${to.topic}/${to.partition}/${to.offset}`,
    };
  });
  await logActs(replay.world, replay.store, acts);
};

const tell = ({ world, options, met, written, skipped, failed }: Replay): number => {
  const again = skipped > 0 ? `; ${skipped} replayed before left alone (--again takes them too)` : '';
  if (options.isDryRun) world.print(`${met} would be replayed${again}`);
  else world.print(`${written} replayed${again}${failed > 0 ? `; ${failed} could not be written` : ''}`);
  if (met >= options.limit) world.print(`There may be more: --limit is ${options.limit}.`);
  return failed > 0 || (met === 0 && skipped === 0) ? 1 : 0;
};
