/**
 * A worker thread of the sqlite log: the writer (one transaction for everything that arrived while the last one ran)
 * or the reader (slices, and news of what other processes wrote). Started by sqlite-link.ts, never imported.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { assert, TransportError } from '../errors.ts';
import { buffersOf } from './sqlite-pack.ts';
import type { Question, Refusal, Reply, WorkerMessage, WorkerSettings } from './sqlite-protocol.ts';
import { createLogReader, type LogReader } from './sqlite-reader.ts';
import { openDatabase, SQLITE_BUSY, SQLITE_FULL, SQLITE_NOTADB, sqliteCodeOf } from './sqlite-schema.ts';
import { createLogWriter, type LogWriter } from './sqlite-writer.ts';

/** A transaction ends at this size even when more is waiting: its fsync and its WAL stay bounded. */
const TRANSACTION_BYTES_MAX = 16 * 1024 * 1024;
/** How often the file is looked at for what others wrote; slower and slower while nothing comes. */
const POLL_MIN_MS = 20;
const POLL_MAX_MS = 100;
const POLL_GROWTH = 1.25;

const refusalOf = (error: unknown): Refusal => {
  if (error instanceof TransportError) {
    return { code: error.code, message: error.message, retryable: error.retryable };
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = sqliteCodeOf(error);
  if (code === SQLITE_FULL) return { code: 'LOG_FULL', message: `disk: ${message}`, retryable: true };
  // Busy and I/O errors pass, or a person mends them and the writer's next try succeeds; a foreign file stays one.
  return { code: 'LOG_UNAVAILABLE', message, retryable: code !== SQLITE_NOTADB };
};

const refuse = (id: number, error: unknown): Reply => ({ id, kind: 'refusal', refusal: refusalOf(error) });

const answerOf = (writer: LogWriter, question: Question): unknown => {
  switch (question.kind) {
    case 'append':
      return writer.append(question.ask);
    case 'ensure':
      return writer.ensure(question.ask);
    case 'sync':
      return writer.sync(question.ask);
    case 'release':
      return writer.release(question.ask);
    case 'leave':
      return writer.leave(question.ask);
    case 'commit':
      return writer.commit(question.ask);
    case 'retain':
      return writer.retain(question.ask);
    case 'ping':
      return writer.ping(question.ask);
    default:
      throw new TransportError('LOG_UNAVAILABLE', `the writer has no ${question.kind}`, { retryable: false });
  }
};

/** Runs the questions in one transaction; null when it failed as a whole and nothing of it is in the file. */
const tryTransaction = (db: DatabaseSync, writer: LogWriter, questions: readonly Question[]): readonly Reply[] => {
  db.exec('BEGIN IMMEDIATE');
  const replies = questions.map((question): Reply => {
    try {
      return { id: question.id, kind: 'answer', answer: answerOf(writer, question) };
    } catch (error) {
      // A refusal of ours comes before the question wrote anything; sqlite's errors end the transaction.
      if (error instanceof TransportError) return refuse(question.id, error);
      throw error;
    }
  });
  writer.flush();
  db.exec('COMMIT');
  return replies;
};

const runTransaction = (db: DatabaseSync, writer: LogWriter, questions: readonly Question[]): readonly Reply[] => {
  try {
    return tryTransaction(db, writer, questions);
  } catch (error) {
    writer.forget();
    if (db.isTransaction) db.exec('ROLLBACK');
    // A lock nobody gives up hits all alike. Else each goes alone: a full disk must not refuse a small commit.
    if (questions.length === 1 || sqliteCodeOf(error) === SQLITE_BUSY) {
      return questions.map(({ id }) => refuse(id, error));
    }
    return questions.flatMap((question) => runTransaction(db, writer, [question]));
  }
};

const bytesOf = (question: Question): number => (question.kind === 'append' ? question.ask.bytes : 0);

const serveWrites = (port: MessagePort, db: DatabaseSync, bytesMax: number | null): void => {
  const writer = createLogWriter(db, bytesMax);
  let waiting: Question[] = [];
  let isScheduled = false;
  const send = (replies: readonly Reply[]): void =>
    port.postMessage({ kind: 'replies', replies } satisfies WorkerMessage);
  const takeSome = (): readonly Question[] => {
    let bytes = 0;
    let count = 0;
    for (const question of waiting) {
      if (question.kind === 'close' || (count > 0 && bytes + bytesOf(question) > TRANSACTION_BYTES_MAX)) break;
      bytes += bytesOf(question);
      count += 1;
    }
    const taken = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return taken;
  };
  const work = (): void => {
    isScheduled = false;
    const questions = takeSome();
    if (questions.length > 0) send(runTransaction(db, writer, questions));
    const next = waiting[0];
    if (next?.kind === 'close') {
      db.close();
      send([{ id: next.id, kind: 'answer', answer: null }]);
      port.close();
    } else if (next !== undefined) schedule();
  };
  // setImmediate runs after every message that is already here was taken in: that is the group of the group commit.
  const schedule = (): void => {
    if (!isScheduled) setImmediate(work);
    isScheduled = true;
  };
  port.on('message', (question: Question) => {
    waiting.push(question);
    schedule();
  });
};

const readReply = (reader: LogReader, question: Question): { reply: Reply; transfer: readonly ArrayBuffer[] } => {
  const { id } = question;
  const plain = (answer: unknown) => ({ reply: { id, kind: 'answer', answer } satisfies Reply, transfer: [] });
  switch (question.kind) {
    case 'read': {
      const answer = reader.read(question.ask);
      return { reply: { id, kind: 'answer', answer }, transfer: buffersOf(answer.records) };
    }
    case 'topics':
      return plain(reader.topics(question.ask));
    case 'facts':
      return plain(reader.facts(question.ask));
    case 'ranges':
      return plain(reader.ranges(question.ask));
    case 'committed':
      return plain(reader.committed(question.ask));
    case 'ping':
      return plain(reader.ping(question.ask));
    default:
      throw new TransportError('LOG_UNAVAILABLE', `the reader has no ${question.kind}`, { retryable: false });
  }
};

const serveReads = (port: MessagePort, db: DatabaseSync): void => {
  const reader = createLogReader(db);
  let pauseMs = POLL_MIN_MS;
  let timer: NodeJS.Timeout | null = null;
  const look = (): void => {
    try {
      const news = reader.news();
      pauseMs = news === null ? Math.min(pauseMs * POLL_GROWTH, POLL_MAX_MS) : POLL_MIN_MS;
      if (news !== null) port.postMessage(news satisfies WorkerMessage);
    } catch (error) {
      // A busy or sick file: the questions that follow will say so to those who can act on it.
      if (sqliteCodeOf(error) === null) throw error;
    }
    timer = setTimeout(look, pauseMs);
  };
  port.on('message', (question: Question) => {
    if (question.kind === 'close') {
      if (timer !== null) clearTimeout(timer);
      db.close();
      port.postMessage({ kind: 'replies', replies: [{ id: question.id, kind: 'answer', answer: null }] });
      port.close();
      return;
    }
    try {
      const { reply, transfer } = readReply(reader, question);
      port.postMessage({ kind: 'replies', replies: [reply] } satisfies WorkerMessage, transfer);
    } catch (error) {
      port.postMessage({ kind: 'replies', replies: [refuse(question.id, error)] } satisfies WorkerMessage);
    }
  });
  look();
};

const serve = (port: MessagePort, settings: WorkerSettings): void => {
  try {
    const db = openDatabase(settings.path, settings.role);
    port.postMessage({ kind: 'ready' } satisfies WorkerMessage);
    if (settings.role === 'writer') serveWrites(port, db, settings.bytesMax);
    else serveReads(port, db);
  } catch (error) {
    port.postMessage({ kind: 'failed', refusal: refusalOf(error) } satisfies WorkerMessage);
    port.close();
  }
};

assert(parentPort !== null, 'sqlite-worker.ts runs as a worker thread only');
serve(parentPort, workerData);
