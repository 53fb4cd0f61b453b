import { TransportError } from '../errors.ts';
import type { Assignment, Logger, Store } from '../ports.ts';
import { DEAD_LETTER_TABLE } from './dead-letters.ts';
import { findBatchEnd, type Intent, readCommit, tokenPrefix } from './intent.ts';
import { readWindow } from './look-ahead.ts';
import { STATE_TABLE, type StreamTask } from './types.ts';

/** Where a partition goes on. */
export interface Start {
  readonly offset: number;
  readonly intent: Intent | null;
  /**
   * Nothing was tried before at `offset`, for sure. Otherwise a batch may have been whose intent is lost and whose rows a
   * dying server swallowed with its token: the next one must look what landed, for its token may be the very same.
   */
  readonly isClean: boolean;
  /** Why the partition cannot be read; it stays stopped until a person looks. */
  readonly gap: string | null;
}

/** Who reads the partition, and where the rows of its batches stand. */
type Writer = Pick<StreamTask, 'service' | 'tables'>;

interface Manifest {
  readonly end: number | null;
  readonly lastLoggedAt: string;
}

/**
 * Where to go on: behind the manifest of this life of the log, with the batch that is open there. The manifest outranks
 * the group: an offset that was lost, expired, overwritten, or that belongs to another life of the log or another store
 * neither loses nor doubles a record. Throws TransportError, also while a batch of a former owner lands whose intent is
 * lost: come again.
 */
export const findStart = async (
  deps: { readonly store: Store; readonly logger: Logger },
  task: Writer,
  assignment: Assignment,
): Promise<Start> => {
  const { logEnd } = assignment;
  const manifest = await readManifest(deps.store, task.service, assignment);
  const commit = readCommit(assignment.committed, assignment.logId);
  const { next, gap } = nextOffset(assignment, manifest.end, commit.offset);
  if (gap !== null) return { offset: next, intent: null, isClean: false, gap };
  const isClean = isAcknowledged(manifest.end, commit) || next >= logEnd;
  const intent =
    commit.intent?.first === next
      ? commit.intent
      : isClean
        ? null
        : await findOpen(deps, task, assignment, next, manifest, commit.offset);
  const reached = Math.max(next, intent?.end ?? 0, intent?.upto ?? 0);
  if (reached <= logEnd) return { offset: next, intent, isClean, gap: null };
  return {
    offset: Math.min(next, logEnd),
    intent: null,
    isClean,
    gap: `the log ends at ${logEnd}, before the ${reached} already read: it was cut or made anew`,
  };
};

/** The offset to go on at; with the reason to stop there when retention removed records that were not read. */
const nextOffset = (
  { logStart, logEnd }: Assignment,
  manifestEnd: number | null,
  offset: number | null,
): { readonly next: number; readonly gap: string | null } => {
  // Before the first batch only the group tells that it was there; an offset beyond the start is of another life.
  const read = manifestEnd ?? (offset !== null && offset <= logStart ? offset : logStart);
  if (read >= logStart) return { next: manifestEnd ?? logStart, gap: null };
  // A person who has seen the gap moves the group's offset behind it; nothing of ours does so. From there the group may
  // have gone on to an intent, whose batch is not confirmed yet.
  const isAccepted = manifestEnd !== null && offset !== null && offset >= logStart && offset <= logEnd;
  if (isAccepted) return { next: offset, gap: null };
  return { next: logStart, gap: `retention removed ${logStart - read} records before they were read` };
};

/** Confirmed and acknowledged, or confirmed with the acknowledgement still to come: nothing can be open. */
const isAcknowledged = (manifestEnd: number | null, { offset, intent }: ReturnType<typeof readCommit>): boolean =>
  manifestEnd !== null && (intent === null ? offset : intent.end) === manifestEnd;

const readManifest = async (store: Store, service: string, assignment: Assignment): Promise<Manifest> => {
  const { logId, topic, partition, signal } = assignment;
  const [row] = await store.query<{ readonly batches: string; readonly end: string; readonly last: string }>(
    `SELECT count() AS batches, max(end) AS end, toString(max(logged_at)) AS last FROM batches
     WHERE service = {service:String} AND log_id = {log_id:String} AND topic = {topic:String} AND partition = {partition:UInt32}`,
    { service, log_id: logId, topic, partition },
    signal,
  );
  const isEmpty = row === undefined || row.batches === '0';
  return { end: isEmpty ? null : Number(row.end), lastLoggedAt: isEmpty ? '1970-01-02 00:00:00.000' : row.last };
};

/**
 * The batch that is open at `first`, by what stands in the tables, once nothing that a former owner sent can change it.
 * A batch of which only the manifest row is on its way, or its first insert, shows nowhere: other boundaries would overlap
 * it. Throws TransportError STORE_UNAVAILABLE while something lands.
 */
const findOpen = async (
  deps: { readonly store: Store; readonly logger: Logger },
  task: Writer,
  assignment: Assignment,
  first: number,
  manifest: Manifest,
  offset: number | null,
): Promise<Intent | null> => {
  const running = await countInserts(deps, task.service, assignment);
  if (running > 0) throw landing(`${running} inserts of a former owner are still running`);
  const found = await searchOpen(deps, task, assignment, first, manifest, offset);
  if (found !== null) return found;
  // Its manifest row may have come after the manifest was read and before the tables were: then it is not open any more.
  const { end } = await readManifest(deps.store, task.service, assignment);
  if (end !== manifest.end) throw landing(`the manifest went on to ${end} while its open batch was looked for`);
  return null;
};

const landing = (what: string): TransportError =>
  new TransportError('STORE_UNAVAILABLE', `${what}; looking again`, { retryable: true });

/** Inserts of this partition that the server has begun and not ended, by their tokens; they end within their deadline. */
const countInserts = async (
  { store, logger }: { readonly store: Store; readonly logger: Logger },
  service: string,
  assignment: Assignment,
): Promise<number> => {
  try {
    const [row] = await store.query<{ readonly running: string }>(
      `SELECT count() AS running FROM system.processes
       WHERE query ILIKE 'INSERT%' AND startsWith(Settings['insert_deduplication_token'], {prefix:String})
         AND position(Settings['insert_deduplication_token'], {service:String}) > 0`,
      { prefix: tokenPrefix(assignment), service: `/${service}/` },
      assignment.signal,
    );
    return Number(row?.running ?? 0);
  } catch (error) {
    // Without the grant it cannot be told, and a partition that therefore never began would be worse.
    if (!(error instanceof TransportError) || error.code !== 'STORE_REJECTED') throw error;
    logger.warn({ err: error }, 'running inserts cannot be seen: grant SELECT ON system.processes');
    return 0;
  }
};

/** Tables that several services write; each row says whose it is. */
const SHARED_TABLES: ReadonlySet<string> = new Set([STATE_TABLE, DEAD_LETTER_TABLE]);
/** Batch ids of rows outside the manifest that one query gives; only batches in flight are outside. */
const OUTSIDE_MAX = 10_000;
/**
 * The group's offset is gone, and with it perhaps an open intent: rows of its batch may stand in the tables without a
 * manifest row, and other boundaries would make them twice. They carry the batch id, a hash of the boundaries, by which
 * the intent is found again. Only what the service itself writes counts: another one that reads the topic may have
 * a batch of the very same boundaries, and so of the same id.
 */
const searchOpen = async (
  deps: { readonly store: Store; readonly logger: Logger },
  { service, tables }: Writer,
  assignment: Assignment,
  first: number,
  manifest: Manifest,
  offset: number | null,
): Promise<Intent | null> => {
  if (offset !== null) deps.logger.warn({ offset, next: first }, 'the manifest outranks the offset of the group');
  const { logId, topic, partition, logEnd, signal } = assignment;
  const outside = new Set<string>();
  for (const table of tables) {
    const own = SHARED_TABLES.has(table) ? 'AND service = {service:String}' : '';
    // A day of room: foreign topics may carry times of their producers.
    const rows = await deps.store.query<{ readonly batch_id: string }>(
      `SELECT DISTINCT batch_id FROM ${table} WHERE logged_at >= {since:DateTime64(3)} - INTERVAL 1 DAY ${own} AND batch_id NOT IN (
         SELECT batch_id FROM batches WHERE service = {service:String} AND logged_at >= {since:DateTime64(3)} - INTERVAL 1 DAY) LIMIT ${OUTSIDE_MAX}`,
      { since: manifest.lastLoggedAt, service },
      signal,
    );
    for (const row of rows) outside.add(row.batch_id);
  }
  const found = findBatchEnd({ logId, topic, partition, first }, outside, logEnd);
  if (found === null) return null;
  deps.logger.warn({ topic, partition, first, end: found.end }, 'an open batch was found again by its rows');
  const window = tables.includes(STATE_TABLE) ? await readWindow(deps.store, service, found.batchId, signal) : null;
  return { first, end: found.end, logId, variant: window?.variant ?? '', upto: window?.upto ?? null };
};
