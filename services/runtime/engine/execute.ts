import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChdbSession } from './chdb.ts';
import { EngineError, toEngineError } from './engine-error.ts';
import type { EngineRequest } from './http-request.ts';
import { checkReaderSql, readerSettings } from './reader-guard.ts';
import { quoteIdentifier, quoteString } from './sql-tokens.ts';
import { formatOf, isInsert, readStatement, withoutSemicolon } from './statement.ts';

/** What executing needs of the engine process. */
export interface Executor {
  /** A fresh session: its settings die with it, so those of one request never reach another (about 1 ms). */
  readonly openSession: () => ChdbSession;
  /** Folder for bodies on their way into the engine; memory-backed where there is one. */
  readonly spoolDir: string;
  readonly nextSpoolName: () => string;
}

export interface Answer {
  readonly format: string;
  readonly body: Uint8Array;
}

/** How far into a body the SQL of an INSERT may reach; data follows it. */
const INSERT_HEAD_BYTES_MAX = 256 * 1024;

/** Runs one request. Throws EngineError with the engine's own code, or of the reader's guard. */
export const execute = async (executor: Executor, request: EngineRequest, body: readonly Buffer[]): Promise<Answer> => {
  const head = headOf(request, body);
  if (request.role === 'reader') return runQuery(executor, request, textOf(request, body));
  // Latin-1 keeps offsets equal to bytes: the data behind the head may be any bytes.
  const headText = head.toString('latin1');
  const statement = isInsert(headText) ? readStatement(headText) : null;
  if (statement?.kind !== 'insert') return runQuery(executor, request, textOf(request, body));
  const data =
    request.sql === null ? dropBytes(body, statement.dataStart) : [head.subarray(statement.dataStart), ...body];
  // `INSERT INTO t (SELECT …)` names no format and brings no data.
  if (statement.format === null && data.every(isBlank)) return runQuery(executor, request, textOf(request, body));
  const format = statement.format ?? request.format ?? 'Values';
  const utf8 = (text: string): string => Buffer.from(text, 'latin1').toString('utf8');
  const sqlOf = (path: string): string =>
    `${utf8(statement.head)}\nFROM INFILE ${quoteString(path)} COMPRESSION 'none'\n${utf8(statement.settings)}\nFORMAT ${format}`;
  await insertSpooled(executor, request, sqlOf, data);
  return { format, body: new Uint8Array() };
};

const isBlank = (chunk: Buffer): boolean => chunk.length <= 1 && chunk.toString('latin1').trim() === '';

/** The whole SQL text: what the URL says, then the body. */
const textOf = (request: EngineRequest, body: readonly Buffer[]): string =>
  Buffer.concat(request.sql === null ? body : [Buffer.from(`${request.sql}\n`), ...body]).toString('utf8');

/** The bytes in which the SQL begins. */
const headOf = (request: EngineRequest, body: readonly Buffer[]): Buffer => {
  if (request.sql !== null) return Buffer.from(`${request.sql}\n`);
  return Buffer.concat(body.slice(0, 64)).subarray(0, INSERT_HEAD_BYTES_MAX);
};

const dropBytes = (chunks: readonly Buffer[], count: number): readonly Buffer[] => {
  let left = count;
  return chunks.flatMap((chunk) => {
    const drop = Math.min(left, chunk.length);
    left -= drop;
    return drop === chunk.length ? [] : [chunk.subarray(drop)];
  });
};

const runQuery = async (executor: Executor, request: EngineRequest, text: string): Promise<Answer> => {
  if (request.role === 'reader') checkReaderSql(text);
  const sql = withoutSemicolon(text);
  const format = formatOf(sql) ?? request.format ?? 'TabSeparated';
  if (sql.trim() === '') throw new EngineError(62, 'SYNTAX_ERROR', 'Empty query');
  return inSession(executor, request, async (session) => {
    const result = await session.queryAsync(sql, { format });
    return { format, body: result.bytes() };
  });
};

/**
 * `INSERT … FROM INFILE` reads the body from a file: an ordinary INSERT to the engine (column defaults, input settings,
 * deduplication token), byte-exact for binary formats, and off this process's event loop.
 */
const insertSpooled = async (
  executor: Executor,
  request: EngineRequest,
  sqlOf: (path: string) => string,
  data: readonly Buffer[],
): Promise<void> => {
  if (data.every((chunk) => chunk.length === 0)) return;
  const path = join(executor.spoolDir, executor.nextSpoolName());
  try {
    await writeFile(path, data, { mode: 0o600 });
    await inSession(executor, request, (session) => session.queryAsync(sqlOf(path), { format: 'Null' }));
  } finally {
    await rm(path, { force: true });
  }
};

const inSession = async <T>(
  executor: Executor,
  request: EngineRequest,
  task: (session: ChdbSession) => Promise<T>,
): Promise<T> => {
  const session = executor.openSession();
  try {
    for (const sql of prelude(request)) await session.queryAsync(sql, { format: 'Null' });
    return await task(session);
  } catch (cause) {
    throw toEngineError(cause);
  } finally {
    session.close();
  }
};

/** Statements that bring a fresh session into the state the request asks for. `readonly` comes last: it locks the rest. */
const prelude = (request: EngineRequest): readonly string[] => {
  const settings = request.role === 'reader' ? readerSettings(request.settings) : request.settings;
  const sets = [...settings, ...request.params].map(([name, value]) => `${name} = ${quoteString(value)}`);
  // system.processes has no query_id of ours: the log comment carries it, so that the store can find and kill a query.
  if (request.queryId !== null) sets.push(`log_comment = ${quoteString(request.queryId)}`);
  const statements: string[] = [];
  if (request.database !== null && request.database !== 'default')
    statements.push(`USE ${quoteIdentifier(request.database)}`);
  if (sets.length > 0) statements.push(`SET ${sets.join(', ')}`);
  if (request.role === 'reader') statements.push('SET readonly = 1');
  return statements;
};
