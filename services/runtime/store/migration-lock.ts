import { TransportError } from '../errors.ts';
import type { Clock, Random, Store } from '../ports.ts';
import { clickHouseCode } from './failure.ts';

/** What the lock needs of the world. */
interface LockOptions {
  readonly database: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks; a migration that is tried again under the same name still holds its lock. Made up without it. */
  readonly owner?: string;
}

/** A holder that was killed is overtaken after this. Longer than any one file of ours takes. */
const EXPIRY_MS = 120_000;
const TABLE_ALREADY_EXISTS = 57;
const UNKNOWN_TABLE = 60;
const POLL_MS = 250;
/** Longest wait for somebody else's migration. */
const WAIT_MS = 300_000;

interface Holder {
  readonly owner: string;
  readonly expiresAtMs: number;
}

/**
 * Runs `task` while holding the migration lock of a database. The lock is a table: creating one is the only thing a
 * single ClickHouse does atomically. Its comment names the holder and when the lock expires.
 * `assertHeld` throws when somebody overtook us. Throws TransportError STORE_BUSY when the lock stays taken.
 */
export const withMigrationLock = async <T>(
  store: Store,
  options: LockOptions,
  task: (assertHeld: () => Promise<void>) => Promise<T>,
): Promise<T> => {
  const owner = options.owner ?? options.random.uuid();
  await acquire(store, options, owner);
  try {
    return await task(async () => {
      const holder = await readHolder(store, options.database);
      if (holder?.owner !== owner) {
        throw new TransportError('STORE_BUSY', 'another process took over the migration', { retryable: true });
      }
    });
  } finally {
    const holder = await readHolder(store, options.database);
    if (holder?.owner === owner) await store.command(`DROP TABLE IF EXISTS ${lockTable(options.database)} SYNC`);
  }
};

const lockTable = (database: string): string => `${database}.schema_lock`;

const acquire = async (store: Store, { database, clock, random }: LockOptions, owner: string): Promise<void> => {
  const untilMs = clock.nowMs() + WAIT_MS;
  while (clock.nowMs() < untilMs) {
    if (await tryCreate(store, database, owner, clock.nowMs() + EXPIRY_MS)) return;
    const holder = await readHolder(store, database);
    if (holder?.owner === owner) return;
    if (holder !== null && holder.expiresAtMs < clock.nowMs()) await overtake(store, database, random.uuid());
    else await clock.sleep(POLL_MS);
  }
  throw new TransportError('STORE_BUSY', `another migration has held ${lockTable(database)} for ${WAIT_MS / 1000} s`, {
    retryable: true,
  });
};

const tryCreate = async (store: Store, database: string, owner: string, expiresAtMs: number): Promise<boolean> => {
  try {
    await store.command(
      `CREATE TABLE ${lockTable(database)} (held UInt8) ENGINE = Memory COMMENT '${owner} ${expiresAtMs}'`,
    );
    return true;
  } catch (cause) {
    if (clickHouseCode(cause) === TABLE_ALREADY_EXISTS) return false;
    throw cause;
  }
};

const readHolder = async (store: Store, database: string): Promise<Holder | null> => {
  const rows = await store.query<{ comment: string }>(
    "SELECT comment FROM system.tables WHERE database = {database:String} AND name = 'schema_lock'",
    { database },
  );
  const comment = rows[0]?.comment;
  if (comment === undefined) return null;
  const [owner = '', expiresAt = '0'] = comment.split(' ');
  return { owner, expiresAtMs: Number(expiresAt) };
};

/** Renaming is atomic: of two overtakers one moves the old lock away, the other finds nothing. */
const overtake = async (store: Store, database: string, name: string): Promise<void> => {
  const aside = `${database}.schema_lock_expired_${name.replaceAll('-', '')}`;
  try {
    await store.command(`RENAME TABLE ${lockTable(database)} TO ${aside}`);
  } catch (cause) {
    if (clickHouseCode(cause) === UNKNOWN_TABLE) return;
    throw cause;
  }
  await store.command(`DROP TABLE IF EXISTS ${aside} SYNC`);
};
