import { systemClock } from '../../services/runtime/clock.ts';
import { type Engine, startEmbeddedEngine } from '../../services/runtime/engine/spawn.ts';
import { silentLogger } from './engine.ts';

/** A ClickHouse behind a port, empty at first, that can go away and come back on the same port with its data. */
export interface EngineServer {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Ends it; what is stored stays. */
  readonly stop: () => Promise<void>;
  /** Starts it again after `stop`. */
  readonly start: () => Promise<void>;
}

/** Starts the engine on a data folder, without any schema. */
export const startEngineServer = async (dataDir: string): Promise<EngineServer> => {
  const options = {
    dataDir,
    host: '127.0.0.1' as const,
    startDeadlineMs: 30_000,
    clock: systemClock,
    logger: silentLogger,
  };
  let engine: Engine = await startEmbeddedEngine({ ...options, port: 0 });
  const { url, user, password, port } = engine;
  return {
    url,
    user,
    password,
    stop: () => engine.close(),
    start: async () => {
      engine = await startEmbeddedEngine({ ...options, port, password });
    },
  };
};
