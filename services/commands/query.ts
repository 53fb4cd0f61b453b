import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** Runs one read-only statement and prints the answer as the engine formats it. Resolves to the exit code. */
export const query = async (world: World, sql: string, format: string): Promise<number> => {
  return withStoredData(world, async (opened) => {
    const answer = await opened.ask(sql, format);
    if (answer.isError) {
      world.progress(answer.text.trim());
      return 1;
    }
    // Some formats say nothing at all of an empty answer, which looks like a command that did nothing.
    if (answer.bytes.length === 0) world.progress('no rows');
    process.stdout.write(answer.bytes);
    return 0;
  });
};
