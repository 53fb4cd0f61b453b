import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { EngineError } from './engine-error.ts';

/** A ClickHouse HTTP request before its body is read. */
export interface EngineRequest {
  /** The `query` parameter; null when the SQL is in the body. */
  readonly sql: string | null;
  readonly queryId: string | null;
  readonly database: string | null;
  /** From the URL or `X-ClickHouse-Format`; FORMAT in the SQL goes before it. */
  readonly format: string | null;
  readonly settings: ReadonlyMap<string, string>;
  /** Values of `param_*`, in the escaped form of the HTTP interface. */
  readonly params: ReadonlyMap<string, string>;
  readonly isCompressionEnabled: boolean;
  readonly clientRevision: number;
  readonly role: Role;
}

/** `owner` is the store itself; `reader` everybody else on this machine. */
export type Role = 'owner' | 'reader';

/** The one user with rights. */
export interface Owner {
  readonly user: string;
  readonly password: string;
}

/** Parameters of the HTTP interface that are not settings of the query. */
const NOT_SETTINGS: ReadonlySet<string> = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'user',
  'password',
  'quota_key',
  'role',
  'session_id',
  'session_check',
  'session_timeout',
  'compress',
  'decompress',
  'client_protocol_version',
  'stacktrace',
  'wait_end_of_query',
  'buffer_size',
  'enable_http_compression',
  'http_zlib_compression_level',
  'http_write_exception_in_output_format',
  'http_response_buffer_size',
  'http_headers_progress_interval_ms',
  'send_progress_in_http_headers',
  'add_http_cors_header',
  'max_http_get_redirects',
]);
const NAME = /^[a-z_][a-z0-9_]{0,127}$/i;

/** Reads URL and headers. Throws EngineError for wrong credentials, names that are none, and what we do not speak. */
export const readRequest = (url: URL, headers: IncomingHttpHeaders, owner: Owner): EngineRequest => {
  const settings = new Map<string, string>();
  const params = new Map<string, string>();
  for (const [key, value] of url.searchParams) {
    if (key.startsWith('param_')) params.set(checkedName(key), value);
    else if (!NOT_SETTINGS.has(key)) settings.set(checkedName(key), value);
  }
  for (const key of ['compress', 'decompress']) {
    if (url.searchParams.get(key) === '1') {
      throw new EngineError(
        48,
        'NOT_IMPLEMENTED',
        `${key}=1 (ClickHouse block compression) is not served here; use HTTP compression`,
      );
    }
  }
  return {
    sql: url.searchParams.get('query'),
    queryId: url.searchParams.get('query_id') ?? header(headers, 'x-clickhouse-query-id'),
    database: url.searchParams.get('database') ?? header(headers, 'x-clickhouse-database'),
    format: checkedFormat(url.searchParams.get('default_format') ?? header(headers, 'x-clickhouse-format')),
    settings,
    params,
    isCompressionEnabled: url.searchParams.get('enable_http_compression') === '1',
    clientRevision: Number(url.searchParams.get('client_protocol_version') ?? 0) || 0,
    role: roleOf(credentials(url, headers), owner),
  };
};

/** A name of a parameter or setting. Throws EngineError when it is none. */
export const checkedName = (name: string): string => {
  if (!NAME.test(name)) throw new EngineError(115, 'UNKNOWN_SETTING', `Unknown setting '${name.slice(0, 60)}'`);
  return name;
};

const checkedFormat = (format: string | null): string | null => {
  if (format !== null && !NAME.test(format)) {
    throw new EngineError(73, 'UNKNOWN_FORMAT', `Unknown format ${format.slice(0, 60)}`);
  }
  return format;
};

const header = (headers: IncomingHttpHeaders, name: string): string | null => {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
};

const credentials = (url: URL, headers: IncomingHttpHeaders): { user: string; password: string } => {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(headers.authorization ?? '')?.[1];
  if (basic !== undefined) {
    const [user = '', ...password] = Buffer.from(basic, 'base64').toString('utf8').split(':');
    return { user, password: password.join(':') };
  }
  return {
    user: header(headers, 'x-clickhouse-user') ?? url.searchParams.get('user') ?? 'default',
    password: header(headers, 'x-clickhouse-key') ?? url.searchParams.get('password') ?? '',
  };
};

const roleOf = ({ user, password }: { user: string; password: string }, owner: Owner): Role => {
  if ((user === 'default' || user === '') && password === '') return 'reader';
  if (user === owner.user && isSameSecret(password, owner.password)) return 'owner';
  throw new EngineError(
    516,
    'AUTHENTICATION_FAILED',
    `${user.slice(0, 60)}: Authentication failed: password is incorrect, or there is no user with such name`,
  );
};

const isSameSecret = (given: string, expected: string): boolean => {
  const a = Buffer.from(given);
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
};

/** Names under which this machine may be addressed: what DNS rebinding cannot forge. */
export const isLoopbackHost = (host: string | undefined): boolean => {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
};

/** A browser page may ask only when it comes from this machine itself; null: no browser. */
export const isAllowedOrigin = (origin: string | undefined): boolean => {
  if (origin === undefined) return true;
  try {
    return isLoopbackHost(new URL(origin).host);
  } catch {
    return false;
  }
};
