import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Commit } from '../ports.ts';

/** An open intent: the batch [first, end) was about to be inserted when this was committed. */
export interface Intent {
  readonly first: number;
  readonly end: number;
  readonly logId: string;
  /** What beside the log decides its rows (see RecordBatch); '' when nothing does or nobody knows any more. */
  readonly variant: string;
  /** With look-ahead: up to where records behind the batch count for it. null: no look-ahead, or nobody knows any more. */
  readonly upto: number | null;
}

const METADATA = z.object({
  v: z.literal(1),
  end: z.number().int().nonnegative(),
  log_id: z.string(),
  variant: z.string().default(''),
  upto: z.number().int().nonnegative().nullable().default(null),
});

/** Metadata of the offset commit that announces [first, end); the offset itself is `first`. */
export const intentMetadata = (end: number, logId: string, variant: string, upto: number | null = null): string =>
  JSON.stringify({
    ...{ v: 1, end, log_id: logId },
    ...(variant === '' ? {} : { variant }),
    ...(upto === null ? {} : { upto }),
  });

/**
 * What a committed offset says. `null`: the group is between batches. An offset committed for another life of the log
 * says nothing at all (`offset` null): its numbers belong to other records.
 */
export const readCommit = (
  commit: Commit | null,
  logId: string,
): { readonly offset: number | null; readonly intent: Intent | null } => {
  if (commit === null) return { offset: null, intent: null };
  if (commit.metadata === '') return { offset: commit.offset, intent: null };
  const parsed = METADATA.safeParse(parseJson(commit.metadata));
  if (!parsed.success) return { offset: commit.offset, intent: null };
  if (parsed.data.log_id !== logId) return { offset: null, intent: null };
  return {
    offset: commit.offset,
    intent: {
      ...{ first: commit.offset, end: parsed.data.end, logId },
      ...{ variant: parsed.data.variant, upto: parsed.data.upto },
    },
  };
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Identity of a batch: 128-bit hex over (log_id, topic, partition, first, end). */
export const batchIdOf = (logId: string, topic: string, partition: number, first: number, end: number): string =>
  createHash('sha256').update(`${logId}/${topic}/${partition}/${first}/${end}`).digest('hex').slice(0, 32);

/** No batch holds more positions than this (a batch is closed far earlier; compacted foreign topics have gaps). */
const BATCH_POSITIONS_MAX = 50_000;

/** The batch among `batchIds` that begins at `first` of this place, found by trying its possible ends; null: none. */
export const findBatchEnd = (
  place: { readonly logId: string; readonly topic: string; readonly partition: number; readonly first: number },
  batchIds: ReadonlySet<string>,
  endMax: number = Number.MAX_SAFE_INTEGER,
): { readonly end: number; readonly batchId: string } | null => {
  const { logId, topic, partition, first } = place;
  for (let end = first + 1; batchIds.size > 0 && end <= Math.min(endMax, first + BATCH_POSITIONS_MAX); end += 1) {
    const batchId = batchIdOf(logId, topic, partition, first, end);
    if (batchIds.has(batchId)) return { end, batchId };
  }
  return null;
};

/** What the tokens of a partition's inserts begin with, of whatever batch and service. */
export const tokenPrefix = (place: {
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
}): string => `${place.logId}/${place.topic}/${place.partition}/`;

/** Deduplication token of one insert of a batch. Without the log id a log made anew would lose rows silently. */
export const insertToken = (
  batch: {
    readonly logId: string;
    readonly topic: string;
    readonly partition: number;
    readonly first: number;
    readonly end: number;
  },
  service: string,
  table: string,
): string => `${tokenPrefix(batch)}${batch.first}/${batch.end}/${service}/${table}`;
