/** The one line a parent writes to the engine process. */
export interface ChildOrder {
  readonly dataDir: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** How long the engine waits for the lock of its directory, ms. */
  readonly startDeadlineMs: number;
}

/** The one line the engine process answers. `code` is Node's (EADDRINUSE, MODULE_NOT_FOUND …) or ClickHouse's. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

/** Tells our line from whatever the native library prints. */
export const READY_PREFIX = 'tacho-engine ';

/** What the engine says of itself. */
export interface EngineFacts {
  readonly displayName: string;
  readonly version: string;
  readonly timezone: string;
}
