import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve as resolvePath } from 'node:path';
import { TransportError } from '../errors.ts';
import type { Clock, EventLog, Logger, Random } from '../ports.ts';
import { startMember } from './member.ts';
import { createAppend, type TopicCache } from './sqlite-append.ts';
import { createSqliteBackend, type SqliteBackend } from './sqlite-backend.ts';
import { startWorker, type WorkerLink } from './sqlite-link.ts';
import type { StoredTopic } from './sqlite-protocol.ts';

/** How often old records are looked for; a step with work left is followed by the next one soon. */
const RETENTION_EVERY_MS = 10_000;
const RETENTION_PAUSE_MS = 50;

export interface SqliteLogOptions {
  /** The file; its folder is made when it is not there. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Bytes of records the file may hold. Consumed records go first; with unread ones only, append says LOG_FULL. */
  readonly maxBytes?: number;
  /**
   * Topics that are refused then; absent: all. What services write while they read must stay outside: the record of a
   * step is what lets its span go, and a log full of spans that refused it would stay full for ever.
   */
  readonly boundedTopics?: readonly string[];
}

const createTopicCache = (reader: WorkerLink): TopicCache => {
  const known = new Map<string, StoredTopic>();
  return {
    known,
    refresh: async () => {
      for (const found of await reader.ask('topics', null)) known.set(found.topic, found);
    },
  };
};

const retain = async (options: SqliteLogOptions, writer: WorkerLink, signal: AbortSignal): Promise<void> => {
  const { clock, logger } = options;
  let hasMore = false;
  while (!signal.aborted) {
    await clock.sleep(hasMore ? RETENTION_PAUSE_MS : RETENTION_EVERY_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    hasMore = await writer.ask('retain', { nowMs: Math.floor(clock.nowMs()) }).catch((error: unknown) => {
      logger.warn({ err: error }, 'event log: retention failed, trying again later');
      return false;
    });
  }
};

const inodeOf = (path: string): bigint | null => statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? null;

const prepare = (path: string): void => {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw new TransportError('LOG_UNAVAILABLE', `no folder for the log at ${path}`, { retryable: false, cause });
  }
};

const openWorkers = async (
  settings: { readonly path: string; readonly bytesMax: number | null },
  onNews: Parameters<typeof startWorker>[1],
): Promise<{ readonly writer: WorkerLink; readonly reader: WorkerLink }> => {
  // The writer first: it makes the file.
  const writer = await startWorker({ ...settings, role: 'writer' }, () => undefined);
  try {
    return { writer, reader: await startWorker({ ...settings, role: 'reader' }, onNews) };
  } catch (error) {
    await writer.close();
    throw error;
  }
};

interface OpenLog {
  readonly writer: WorkerLink;
  readonly reader: WorkerLink;
  readonly backend: SqliteBackend;
  readonly topics: TopicCache;
  readonly isOpen: () => boolean;
  readonly isClosing: () => boolean;
  readonly close: () => Promise<void>;
  readonly members: Set<() => Promise<void>>;
  readonly checkFile: () => void;
}

const closed = (): TransportError => new TransportError('LOG_UNAVAILABLE', 'the log is closed', { retryable: true });

const eventLogOf = (options: SqliteLogOptions, open: OpenLog): EventLog => {
  const { writer, reader, backend, topics, members } = open;
  const append = createAppend({
    ...{ clock: options.clock, writer, topics, grown: backend.grown },
    boundedTopics: options.boundedTopics === undefined ? null : new Set(options.boundedTopics),
  });
  /** Refuses work on a closed log; as a promise, never as a throw. */
  const whileOpen = async <T>(work: () => Promise<T>): Promise<T> => {
    if (open.isOpen()) return work();
    throw closed();
  };
  return {
    kind: 'sqlite',
    ensureTopics: (specs) =>
      whileOpen(async () => {
        await writer.ask('ensure', { specs, logIds: specs.map(() => options.random.uuid()) });
        await topics.refresh();
      }),
    append: (records, signal) => whileOpen(() => append(records, signal)),
    consume: (wanted) =>
      whileOpen(async () => {
        if (open.isClosing()) throw closed();
        const member = await startMember(backend, wanted);
        members.add(member.close);
        return { close: () => member.close().finally(() => members.delete(member.close)) };
      }),
    ranges: (topic) => whileOpen(() => reader.ask('ranges', { topic })),
    committed: (group, topic) =>
      whileOpen(async () => {
        const rows = await reader.ask('committed', { group, topic });
        return new Map(rows.map(({ partition, offset, metadata }) => [partition, { offset, metadata }]));
      }),
    logId: (topic) =>
      whileOpen(async () => {
        if (!topics.known.has(topic)) await topics.refresh();
        const found = topics.known.get(topic);
        if (found !== undefined) return found.logId;
        throw new TransportError('LOG_UNAVAILABLE', `topic ${topic} does not exist`, { retryable: true });
      }),
    ping: () =>
      whileOpen(async () => {
        open.checkFile();
        await Promise.all([writer.ask('ping', null), reader.ask('ping', null)]);
      }),
    close: open.close,
  };
};

/**
 * Opens the embedded event log: one sqlite file, safe to be open in several processes of one host at once. Appends are
 * durable (WAL, fsync per group commit) when they resolve. Two worker threads do the work: one writes, one reads.
 * Throws TransportError LOG_UNAVAILABLE when the file cannot be opened or is another program's.
 */
export const openSqliteEventLog = async (options: SqliteLogOptions): Promise<EventLog> => {
  const path = resolvePath(options.path);
  prepare(path);
  let backend: SqliteBackend | null = null;
  const { writer, reader } = await openWorkers({ path, bytesMax: options.maxBytes ?? null }, ({ ends, groups }) => {
    for (const { topic, partition, end } of ends) backend?.grown(topic, partition, end);
    for (const { group, version } of groups) backend?.groupChanged(group, version);
  });
  const topics = createTopicCache(reader);
  const engine = createSqliteBackend({ ...options, writer, reader, topics });
  backend = engine;
  await topics.refresh();
  const inode = inodeOf(path);
  const members = new Set<() => Promise<void>>();
  const ending = new AbortController();
  let isOpen = true;
  const retaining = retain(options, writer, ending.signal);
  const shut = async (): Promise<void> => {
    ending.abort();
    await Promise.all([...members].map((closeMember) => closeMember()));
    // Only now: a batch in flight may append what it makes.
    isOpen = false;
    await retaining;
    await reader.close();
    await writer.close();
  };
  let closing: Promise<void> | null = null;
  return eventLogOf(options, {
    ...{ writer, reader, topics, members, backend: engine },
    isOpen: () => isOpen,
    isClosing: () => closing !== null,
    close: () => {
      closing ??= shut();
      return closing;
    },
    checkFile: () => {
      // Deleted or replaced under our feet: what is appended from here on would be lost with the old file.
      if (inodeOf(path) === inode) return;
      throw new TransportError('LOG_GONE', `${path} is not the file that was opened`, { retryable: false });
    },
  });
};
