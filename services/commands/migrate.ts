import { renderDdl } from '../runtime/store/ddl.ts';
import { readMigrations } from '../runtime/store/migrate.ts';
import { openClientStore, retentionDays } from './open-store.ts';
import type { World } from './world.ts';

/** Applies the schema, or prints it with what this config says. Resolves to the exit code. */
export const runMigrate = async (world: World, isPrint: boolean): Promise<number> => {
  if (isPrint) {
    print(world);
    return 0;
  }
  const opened = await openClientStore(world);
  try {
    // Opening applies the schema already when the config lets us; asked for by name it is applied in any case.
    const { applied, already } = opened.migrated ?? (await opened.applySchema());
    for (const name of applied) world.print(`applied ${name}`);
    world.print(`${applied.length} applied now, ${already.length} in place (${opened.url})`);
    return 0;
  } finally {
    await opened.close();
  }
};

const print = (world: World): void => {
  const { clickhouse } = world.config;
  for (const migration of readMigrations()) {
    world.print(`-- ${migration.version}`);
    world.print(
      renderDdl(migration.sql, {
        database: clickhouse.database,
        replication: clickhouse.cluster !== '',
        retentionDays: retentionDays(world.config),
        ...(clickhouse.cluster === '' ? {} : { cluster: clickhouse.cluster }),
      }),
    );
  }
};
