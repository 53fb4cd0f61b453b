import { createRequire } from 'node:module';

/** The part of the `chdb` package we use. Never its `chdb/connection` hook: there SET leaks and bytes ≥ 0x80 break. */
export interface ChdbSession {
  readonly queryAsync: (sql: string, options: { format: string }) => Promise<{ bytes: () => Uint8Array }>;
  readonly close: () => void;
}
export interface Chdb {
  readonly Session: new (dataDir: string, options?: { connectionArgs?: readonly string[] }) => ChdbSession;
}

/** Loads the native engine. Throws what `require` throws where the platform has none. */
export const loadChdb = (): Chdb => createRequire(import.meta.url)('chdb');

/** Is the package installed? Says nothing about whether its native part loads. */
export const isChdbInstalled = (): boolean => {
  try {
    createRequire(import.meta.url).resolve('chdb');
    return true;
  } catch {
    return false;
  }
};
