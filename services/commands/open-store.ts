import { readFileSync } from 'node:fs';
import { retentionOf } from '../runtime/config.ts';
import { findRunningEngine } from '../runtime/engine/engine-file.ts';
import { startEmbeddedEngine } from '../runtime/engine/spawn.ts';
import { createSupervisedEngine } from '../runtime/engine/supervise.ts';
import { TransportError } from '../runtime/errors.ts';
import type { Store } from '../runtime/ports.ts';
import { askClickHouse, type RawAnswer } from '../runtime/store/ask.ts';
import { createClickHouseStore } from '../runtime/store/clickhouse.ts';
import { clickHouseCode } from '../runtime/store/failure.ts';
import { type Migrated, migrate } from '../runtime/store/migrate.ts';
import { makeDataFolder } from './data-folder.ts';
import type { World } from './world.ts';

/** A store that is open, with what it stands on. */
export interface OpenStore {
  readonly url: string;
  readonly store: Store;
  /** The same data under a user who may only read. */
  readonly readonlyStore: Store;
  /** One read-only statement, answered as the engine formats it. */
  readonly ask: (sql: string, format: string) => Promise<RawAnswer>;
  /** Batches younger than this may still be landing; 0 when nobody writes. Milliseconds. */
  readonly settleMs: number;
  /** What opening applied of the schema; null when this config leaves that to somebody else. */
  readonly migrated: Migrated | null;
  /** Applies what is missing of the schema. */
  readonly applySchema: () => Promise<Migrated>;
  readonly close: () => Promise<void>;
}

/** A start waits this long for the lock of an engine whose parent was just killed. */
const ENGINE_START_MS = 60_000;
/** Longest a confirmed batch takes from its first row to its manifest row, with room: see `tacho audit`. */
const SETTLE_MS = 10_000;

interface Connection {
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

/**
 * For `tacho up`: the ClickHouse of the config, or the embedded engine, supervised; with the schema applied. Assumes
 * that the engine's place is free. Throws TransportError ABORTED when asked to stop while the engine starts.
 */
export const openServingStore = async (world: World): Promise<OpenStore> => {
  const { clickhouse, data } = world.config;
  if (clickhouse.url !== '') return external(world);
  makeDataFolder(world.config);
  const engine = await createSupervisedEngine(
    {
      dataDir: data.dir,
      host: '127.0.0.1',
      port: clickhouse.port,
      clock: world.clock,
      logger: world.logger,
      startDeadlineMs: ENGINE_START_MS,
    },
    world.stop,
  );
  return opened(world, engine, SETTLE_MS, engine.close, ENGINE_START_MS);
};

/** For other commands: the engine that runs in the data folder, or one of its own for as long as the command takes. */
export const openClientStore = async (world: World): Promise<OpenStore> => {
  const { clickhouse, data } = world.config;
  if (clickhouse.url !== '') return external(world);
  makeDataFolder(world.config);
  const running = await findRunningEngine(data.dir);
  if (running !== null) return opened(world, running, SETTLE_MS, async () => {});
  const engine = await startEmbeddedEngine({
    dataDir: data.dir,
    host: '127.0.0.1',
    port: 0,
    clock: world.clock,
    logger: world.logger,
    startDeadlineMs: ENGINE_START_MS,
  });
  return opened(world, engine, 0, engine.close);
};

const external = (world: World): Promise<OpenStore> => {
  const { url, user, password } = world.config.clickhouse;
  return opened(world, { url, user, password }, SETTLE_MS, async () => {});
};

const opened = async (
  world: World,
  connection: Connection,
  settleMs: number,
  closeEngine: () => Promise<void>,
  /** So long a store that went away while its schema is applied is waited for: a supervised engine comes back. */
  awayMaxMs = 0,
): Promise<OpenStore> => {
  const { clickhouse } = world.config;
  const storeOf = (as: Connection, database: string = clickhouse.database): Store =>
    createClickHouseStore(
      {
        ...as,
        database,
        ...(clickhouse.tls_ca_file === '' ? {} : { tlsCa: readFileSync(clickhouse.tls_ca_file, 'utf8') }),
        ...(clickhouse.cluster === '' ? {} : { cluster: clickhouse.cluster }),
      },
      world,
    );
  const store = storeOf(connection);
  const reader = clickhouse.url === '' ? { url: connection.url, user: 'default', password: '' } : connection;
  const readonlyStore = storeOf(reader);
  // Connected to `default`: the database of ours may not exist yet.
  const applySchema = async (): Promise<Migrated> => {
    const admin = storeOf(connection, 'default');
    try {
      return await migrateStore(world, admin, awayMaxMs);
    } finally {
      await admin.close();
    }
  };
  const close = async (): Promise<void> => {
    await store.close();
    await readonlyStore.close();
    await closeEngine();
  };
  let migrated: Migrated | null = null;
  try {
    if (clickhouse.manage_schema) migrated = await applySchema();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: connection.url,
    store,
    readonlyStore,
    ask: (sql, format) => askClickHouse({ ...reader, database: clickhouse.database }, sql, format),
    settleMs,
    migrated,
    applySchema,
    close,
  };
};

/**
 * For services whose schema somebody else makes: without any they would wait for its tables partition by partition.
 * Throws TransportError STORE_REJECTED, with what to do, when the database has none. Looks at tables, not at versions: the
 * schema may have been applied by hand, or be that of the version before (rolling upgrade). A store that is away is
 * waited for by whoever needs it.
 */
export const requireSchema = async (world: World, { store, url }: OpenStore): Promise<void> => {
  const { database, manage_schema } = world.config.clickhouse;
  if (manage_schema || (await countTables(store, database)) !== 0) return;
  throw new TransportError(
    'STORE_REJECTED',
    `ClickHouse at ${url} has no tables in database ${database}: run tacho migrate, or let this process make them (clickhouse.manage_schema, TACHO_CLICKHOUSE_MANAGE_SCHEMA=true)`,
    { retryable: false },
  );
};

const UNKNOWN_DATABASE = 81;

/** null: it cannot be told now. */
const countTables = async (store: Store, database: string): Promise<number | null> => {
  try {
    const rows = await store.query<{ tables: string }>(
      'SELECT toString(count()) AS tables FROM system.tables WHERE database = {database:String}',
      { database },
    );
    return Number(rows[0]?.tables);
  } catch (error) {
    if (clickHouseCode(error) === UNKNOWN_DATABASE) return 0;
    if (error instanceof TransportError) return null;
    throw error;
  }
};

/** Between tries while the engine starts again, ms. */
const AWAY_PAUSE_MS = 200;

/** Under one name for all tries, or the lock that the first one left would keep the next ones out. */
const migrateStore = async (world: World, store: Store, awayMaxMs: number): Promise<Migrated> => {
  const { clock, random, stop } = world;
  const owner = random.uuid();
  const untilMs = clock.nowMs() + awayMaxMs;
  for (;;) {
    try {
      return await migrateOnce(world, store, owner);
    } catch (error) {
      const isAway = error instanceof TransportError && error.code === 'STORE_UNAVAILABLE';
      if (!isAway || clock.nowMs() >= untilMs || stop.aborted) throw error;
      world.logger.warn({ err: error }, 'the store went away while its schema was applied; trying again');
      await clock.sleep(AWAY_PAUSE_MS, stop);
    }
  }
};

const migrateOnce = async (world: World, store: Store, owner: string): Promise<Migrated> => {
  const { clickhouse } = world.config;
  return migrate(store, {
    ...world,
    owner,
    database: clickhouse.database,
    ...(clickhouse.cluster === '' ? {} : { cluster: clickhouse.cluster }),
    fsyncInserts: clickhouse.url === '',
    retentionDays: retentionOf(world.config).days,
  });
};
