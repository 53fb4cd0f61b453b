import { z } from 'zod';
import { TransportError } from '../../runtime/errors.ts';
import { problem } from '../problem.ts';
import { logAccess } from '../reads.ts';
import { refusedSql } from '../sql-guard.ts';
import { defineRoute, noParams, noQuery, type Route, reply } from './route.ts';

/** Rows one answer carries; the read-only user has limits of its own on what it reads. */
const SQL_ROWS_MAX = 10_000;
const SQL_CHARS_MAX = 65_536;

type SqlRow = Readonly<Record<string, unknown>>;

const csvCell = (value: unknown): string => {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // A cell that a spreadsheet would run as a formula is written as text.
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/** RFC 4180 with a header; columns as the first row has them. */
export const csvOf = (rows: readonly SqlRow[]): string => {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
  return `${lines.map((cells) => cells.map(csvCell).join(',')).join('\r\n')}\r\n`;
};

const postSql = defineRoute({
  method: 'POST',
  path: '/sql',
  summary: 'Read-only SQL, limited in rows and time. Sees every tenant and all content: needs both.',
  needs: 'read',
  params: noParams,
  query: noQuery,
  body: z.strictObject({
    query: z.string().min(1).max(SQL_CHARS_MAX),
    format: z.enum(['json', 'ndjson', 'csv']).optional(),
  }),
  answer: z.object({
    columns: z.array(z.string()),
    rows: z.array(z.record(z.string(), z.unknown())),
    row_count: z.number(),
    is_cut: z.boolean(),
  }),
  run: async ({ caller, body }, context) => {
    if (caller.tenant !== null) throw problem(403, 'SQL sees every tenant; this token belongs to one');
    if (!caller.grants.has('content'))
      throw problem(403, 'SQL can read content of prompts: it needs the grant content');
    const refusal = refusedSql(body.query);
    if (refusal !== null) throw problem(400, refusal, { in: 'body', parameter: 'query' });
    await logAccess(context, caller, { action: 'sql', tenant: '', subject: 'sql', detail: body.query.slice(0, 8192) });
    const rows = await runSql(context.settings.readonlyStore.query<SqlRow>(body.query));
    const shown = rows.slice(0, SQL_ROWS_MAX);
    const cut = { 'x-tacho-cut': String(rows.length > SQL_ROWS_MAX) };
    if (body.format === 'csv') return reply(200, csvOf(shown), { 'content-type': 'text/csv; charset=utf-8', ...cut });
    if (body.format === 'ndjson') {
      const lines = shown.map((row) => `${JSON.stringify(row)}\n`).join('');
      return reply(200, lines, { 'content-type': 'application/x-ndjson; charset=utf-8', ...cut });
    }
    return {
      columns: Object.keys(shown[0] ?? {}),
      rows: shown.map((row) => ({ ...row })),
      row_count: shown.length,
      is_cut: rows.length > SQL_ROWS_MAX,
    };
  },
});

/** A statement that ClickHouse refuses is the caller's mistake, not ours. */
const runSql = async (answer: Promise<readonly SqlRow[]>): Promise<readonly SqlRow[]> => {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof TransportError && cause.code === 'STORE_REJECTED') {
      throw problem(400, cause.message, { in: 'body', parameter: 'query' });
    }
    throw cause;
  }
};

export const sqlRoutes: readonly Route[] = [postSql];
