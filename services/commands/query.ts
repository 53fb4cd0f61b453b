import { requireStoredData } from './data-folder.ts';
import { openClientStore } from './open-store.ts';
import type { World } from './world.ts';

/** Runs one read-only statement and prints the answer as the engine formats it. Resolves to the exit code. */
export const query = async (world: World, sql: string, format: string): Promise<number> => {
  requireStoredData(world.config);
  const opened = await openClientStore(world);
  try {
    const answer = await opened.ask(sql, format);
    if (answer.isError) {
      world.progress(answer.text.trim());
      return 1;
    }
    process.stdout.write(answer.bytes);
    return 0;
  } finally {
    await opened.close();
  }
};
