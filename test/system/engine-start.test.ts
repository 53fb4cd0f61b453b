import { expect, test } from 'vitest';
import { findRunningEngine } from '../../services/runtime/engine/engine-file.ts';
import { createSite, startTacho, until, untilReady } from '../support/tacho.ts';

/** The engine dies this often, each time as soon as it answers: while the schema is applied. */
const KILLS = 3;

test('an engine killed while the schema is applied ends no start', async () => {
  const site = await createSite();
  const tacho = startTacho(site, ['up', '--no-demo']);
  try {
    const killed = new Set<number>();
    while (killed.size < KILLS) {
      const { pid } = await until('a new engine answers', async () => {
        expect(tacho.child.exitCode, tacho.output()).toBe(null);
        const engine = await findRunningEngine(String(site.env['TACHO_DATA_DIR']));
        return engine === null || killed.has(engine.pid) ? null : engine;
      });
      process.kill(pid, 'SIGKILL');
      killed.add(pid);
    }
    await untilReady(site, tacho);
    expect(tacho.output()).toContain('embedded engine ended; starting it again');
  } finally {
    tacho.kill('SIGTERM');
    expect(await tacho.exited).toBe(0);
    site.remove();
  }
});
