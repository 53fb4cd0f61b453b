import { retentionOf } from '../runtime/config.ts';
import { missingMigrations, printedSchema } from '../runtime/store/migrate.ts';
import { openClientStore } from './open-store.ts';
import type { World } from './world.ts';

/** What `tacho migrate` is asked for: to apply what is missing, to print it all, or to say whether something is missing. */
export type MigrateMode = 'apply' | 'print' | 'check';

/** Applies the schema, prints it with what this config says, or checks it (1: something is missing). Resolves to the exit code. */
export const runMigrate = async (world: World, mode: MigrateMode): Promise<number> => {
  if (mode === 'print') {
    print(world);
    return 0;
  }
  if (mode === 'check') return check(world);
  const opened = await openClientStore(world);
  try {
    // Opening applies the schema already when the config lets us; asked for by name it is applied in any case.
    const { applied, already, retention } = opened.migrated ?? (await opened.applySchema());
    for (const name of applied) world.print(`applied ${name}`);
    for (const { table, from, to } of retention) world.print(`${table} is kept ${to} days now, ${from} before`);
    world.print(`${applied.length} applied now, ${already.length} in place (${opened.url})`);
    return 0;
  } finally {
    await opened.close();
  }
};

/** For what must not start before the schema is there, under a user who could not make it. */
const check = async (world: World): Promise<number> => {
  const { clickhouse } = world.config;
  const config = { ...world.config, clickhouse: { ...clickhouse, manage_schema: false } };
  const opened = await openClientStore({ ...world, config });
  try {
    const missing = await missingMigrations(opened.store, clickhouse.database);
    world.print(missing.length === 0 ? `nothing is missing (${opened.url})` : `missing: ${missing.join(', ')}`);
    return missing.length === 0 ? 0 : 1;
  } finally {
    await opened.close();
  }
};

const print = (world: World): void => {
  const { clickhouse } = world.config;
  world.print(
    printedSchema({
      database: clickhouse.database,
      replication: clickhouse.cluster !== '',
      retentionDays: retentionOf(world.config).days,
      ...(clickhouse.cluster === '' ? {} : { cluster: clickhouse.cluster }),
    }),
  );
};
