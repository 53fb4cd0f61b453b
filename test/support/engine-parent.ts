/** A process that owns an engine, for tests that kill it. argv: data folder. Prints the engine's pid and url as JSON. */
import { systemClock } from '../../services/runtime/clock.ts';
import { startEmbeddedEngine } from '../../services/runtime/engine/spawn.ts';
import { silentLogger } from './engine.ts';

const engine = await startEmbeddedEngine({
  dataDir: process.argv[2] ?? '',
  host: '127.0.0.1',
  port: 0,
  startDeadlineMs: 30_000,
  clock: systemClock,
  logger: silentLogger,
});
process.stdout.write(`${JSON.stringify({ pid: engine.pid, url: engine.url, password: engine.password })}\n`);
await engine.ended;
