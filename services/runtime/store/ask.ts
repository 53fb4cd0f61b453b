import { TransportError } from '../errors.ts';

/** An answer in the format that was asked for, or the engine's own error text. */
export interface RawAnswer {
  readonly isError: boolean;
  readonly bytes: Uint8Array;
  readonly text: string;
}

const TIMEOUT_MS = 120_000;

/**
 * Sends one statement as read-only and gives the answer's bytes as they come (any output format, binary ones too).
 * Throws TransportError STORE_UNAVAILABLE when nothing answers.
 */
export const askClickHouse = async (
  connection: { readonly url: string; readonly user: string; readonly password: string; readonly database: string },
  sql: string,
  format: string,
): Promise<RawAnswer> => {
  const url = new URL(connection.url);
  for (const [name, value] of [
    ['database', connection.database],
    ['default_format', format],
    ['readonly', '1'],
  ] as const)
    url.searchParams.set(name, value);
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: sql,
      headers: { 'x-clickhouse-user': connection.user, 'x-clickhouse-key': connection.password },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { isError: !response.ok, bytes, text: response.ok ? '' : Buffer.from(bytes).toString('utf8') };
  } catch (cause) {
    throw new TransportError('STORE_UNAVAILABLE', `${connection.url} does not answer`, { retryable: true, cause });
  }
};
