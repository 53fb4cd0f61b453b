import { existsSync } from 'node:fs';
import { retentionOf } from '../runtime/config.ts';
import { createDiskSpace } from '../runtime/disk-space.ts';
import { isChdbInstalled } from '../runtime/engine/chdb.ts';
import { findRunningEngine } from '../runtime/engine/engine-file.ts';
import { ConfigError, TransportError } from '../runtime/errors.ts';
import type { Store } from '../runtime/ports.ts';
import { daysOf } from '../runtime/store/ddl.ts';
import { readMigrations } from '../runtime/store/migrate.ts';
import { expiringTables, storedRetention } from '../runtime/store/retention.ts';
import { canListen } from './can-listen.ts';
import { openLog } from './open-log.ts';
import { openClientStore } from './open-store.ts';
import { standingBrakes } from './standing-brakes.ts';
import { topicSpecs } from './topic-specs.ts';
import type { World } from './world.ts';

/** What a look at one thing found. `fix` is what a person does about it. */
interface Finding {
  readonly what: string;
  readonly isGood: boolean;
  readonly detail: string;
  readonly fix?: string;
}

/** A store's clock further off than this makes freshness and retention read wrong. */
const CLOCK_SKEW_MS_MAX = 5_000;
const NODE_MAJOR_MIN = 24;
const MIB = 1024 * 1024;

/** Looks at everything a start needs, with the fix for each finding. Resolves to 0, or 1 when something needs a hand. */
export const doctor = async (world: World): Promise<number> => {
  const findings: Finding[] = [
    { what: 'config', isGood: true, detail: 'read, every value allowed' },
    nodeVersion(),
    ...(await ports(world)),
    ...(await diskRoom(world)),
    ...(await eventLog(world)),
    ...(await store(world)),
  ];
  for (const { what, isGood, detail, fix } of findings)
    world.print(
      `${isGood ? 'ok  ' : 'FIX '}  ${what.padEnd(16)} ${detail}${isGood || fix === undefined ? '' : `\n      → ${fix}`}`,
    );
  const bad = findings.filter((finding) => !finding.isGood).length;
  world.print(bad === 0 ? 'Nothing to fix.' : `${bad} thing(s) to fix.`);
  return bad === 0 ? 0 : 1;
};

const nodeVersion = (): Finding => ({
  what: 'node',
  isGood: Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN,
  detail: process.version,
  fix: `run through npx tacho, or install Node ${NODE_MAJOR_MIN}`,
});

/** A busy port is fine when it is our own running system that holds it. */
const ports = async (world: World): Promise<readonly Finding[]> => {
  const { receiver, api, clickhouse, data } = world.config;
  const running = await findRunningEngine(data.dir);
  if (running !== null)
    return [
      { what: 'ports', isGood: true, detail: `tacho up is running on this data folder (engine pid ${running.pid})` },
    ];
  const wanted: readonly (readonly [string, number, string])[] = [
    ['OTLP/HTTP', receiver.http_port, 'TACHO_RECEIVER_HTTP_PORT'],
    ['OTLP/gRPC', receiver.grpc_port, 'TACHO_RECEIVER_GRPC_PORT'],
    ['api', api.port, 'TACHO_API_PORT'],
    ...(clickhouse.url === '' ? ([['clickhouse', clickhouse.port, 'TACHO_CLICKHOUSE_PORT']] as const) : []),
  ];
  return Promise.all(
    wanted.map(async ([name, port, key]): Promise<Finding> => {
      const isFree = await canListen(port);
      return {
        what: `port ${name}`,
        isGood: isFree,
        detail: `${port} is ${isFree ? 'free' : 'in use'}`,
        fix: `stop what listens there, or set ${key}`,
      };
    }),
  );
};

/** Whether telemetry would be taken, as far as the disk goes. */
const diskRoom = async ({ config }: World): Promise<readonly Finding[]> => {
  const { disk, data, kafka, clickhouse } = config;
  if (kafka.brokers.length > 0 && clickhouse.url !== '') return [];
  if (!existsSync(data.dir)) return [{ what: 'disk', isGood: true, detail: `${data.dir} is made at the first start` }];
  const freeMb = Math.floor((await createDiskSpace(data.dir).freeBytes()) / MIB);
  return [
    {
      what: 'disk',
      isGood: freeMb >= disk.reserve_mb,
      detail: `${freeMb} MB free beside ${data.dir}, ${disk.reserve_mb} kept in reserve`,
      fix: 'make room, or set disk.reserve_mb: below it senders are told to come back',
    },
  ];
};

const eventLog = async (world: World): Promise<readonly Finding[]> => {
  const { kafka, data } = world.config;
  const what = kafka.brokers.length > 0 ? 'kafka' : 'event log';
  const fix =
    kafka.brokers.length > 0
      ? 'check kafka.brokers, TLS and SASL settings, and that the brokers run'
      : `check that ${data.dir} can be written`;
  try {
    const log = await openLog(world);
    try {
      await log.ping();
      const missing: string[] = [];
      for (const { topic } of topicSpecs(world.config)) if ((await log.ranges(topic)).length === 0) missing.push(topic);
      const detail =
        missing.length === 0
          ? `${log.kind}, every topic is there`
          : `${log.kind}; made at the next start: ${missing.join(', ')}`;
      return [
        {
          what,
          isGood: missing.length === 0 || kafka.manage_topics,
          detail,
          fix: 'create the topics, or set kafka.manage_topics: true',
        },
      ];
    } finally {
      await log.close();
    }
  } catch (error) {
    return [{ what, isGood: false, detail: messageOf(error), fix }];
  }
};

const store = async (world: World): Promise<readonly Finding[]> => {
  const { clickhouse } = world.config;
  if (clickhouse.url === '' && !isChdbInstalled())
    return [
      {
        what: 'clickhouse',
        isGood: false,
        detail: 'the embedded engine is not installed',
        fix: 'run npm install on a supported platform, or set TACHO_CLICKHOUSE_URL',
      },
    ];
  try {
    const opened = await openClientStore(world);
    try {
      const [row] = await opened.store.query<{
        readonly version: string;
        readonly now_ms: string;
        readonly migrations: string;
      }>(
        'SELECT version() AS version, toUnixTimestamp64Milli(now64(3)) AS now_ms, (SELECT count() FROM schema_migrations) AS migrations',
      );
      const skewMs = Math.abs(Number(row?.now_ms ?? 0) - world.clock.nowMs());
      return [
        { what: 'clickhouse', isGood: true, detail: `${row?.version ?? '?'} at ${opened.url}` },
        {
          what: 'schema',
          isGood: row?.migrations !== '0',
          detail: `${row?.migrations ?? 0} migration(s) applied`,
          fix: 'run npx tacho migrate',
        },
        await brakes(opened.store),
        {
          what: 'clock',
          isGood: skewMs <= CLOCK_SKEW_MS_MAX,
          detail: `store and this machine differ by ${skewMs} ms`,
          fix: 'let NTP set both clocks',
        },
        await retention(world, opened.store),
      ];
    } finally {
      await opened.close();
    }
  } catch (error) {
    return [
      {
        what: 'clickhouse',
        isGood: false,
        detail: messageOf(error),
        fix: 'check clickhouse.url, user, password and the grants (npx tacho migrate --print shows what is created)',
      },
    ];
  }
};

/** What each table is kept for, and whether that is what the config says. */
const retention = async (world: World, store: Store): Promise<Finding> => {
  const stored = await storedRetention(store, world.config.clickhouse.database);
  const { days } = retentionOf(world.config);
  const tables = expiringTables(readMigrations()).filter(({ table }) => stored.has(table));
  const other = tables.filter(({ table, family }) => stored.get(table) !== daysOf(table, family, days));
  const said = (table: string) => `${table} ${stored.get(table)}`;
  const families = ['spans', 'span_content', 'ledger_entries', 'run_state', 'batches'].filter((table) =>
    stored.has(table),
  );
  return {
    what: 'retention',
    isGood: other.length === 0,
    detail:
      other.length === 0
        ? `days: ${families.map(said).join(', ')}`
        : `not what the config says, days: ${other.map(({ table, family }) => `${said(table)} (config ${daysOf(table, family, days)})`).join(', ')}`,
    fix: 'run npx tacho migrate',
  };
};

/** Partitions that stand because too many of their records were refused, as their services wrote it down. */
const brakes = async (store: Store): Promise<Finding> => {
  const held = await standingBrakes(store);
  const told = held.map(
    ({ service, topic, partition, at_offset, refused, records, at }) =>
      `${service} ${topic}/${partition} at ${at_offset} since ${at} UTC (${refused} of ${records} refused)`,
  );
  return {
    what: 'brakes',
    isGood: held.length === 0,
    detail: held.length === 0 ? 'no partition is held' : told.join('; '),
    fix: 'tacho dlq list says why; mend it and restart the service, or let it pass: tacho dlq release',
  };
};

const messageOf = (error: unknown): string => {
  if (error instanceof ConfigError) return error.message;
  return error instanceof TransportError && error.cause instanceof Error
    ? `${error.message}: ${error.cause.message}`
    : String(error);
};
