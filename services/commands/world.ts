import { readFileSync } from 'node:fs';
import { systemClock, systemRandom } from '../runtime/clock.ts';
import type { Config } from '../runtime/config-schema.ts';
import { createLogger } from '../runtime/log.ts';
import { createMetrics, type Metrics } from '../runtime/metrics.ts';
import type { Clock, Logger, Random } from '../runtime/ports.ts';

/** What every command is given: the config and the machine, as ports. */
export interface World {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Answers go to stdout, progress to stderr; neither is a log line. */
  readonly print: (line: string) => void;
  readonly progress: (line: string) => void;
  /** Fires at SIGINT and SIGTERM: drain, then end. */
  readonly stop: AbortSignal;
}

/** The world of a real process. `level` overrides the configured log level (commands that answer are quiet). */
export const createWorld = (config: Config, stop: AbortSignal, level: string = config.log.level): World => ({
  config,
  clock: systemClock,
  random: systemRandom,
  logger: createLogger(level),
  metrics: createMetrics(),
  print: (line) => process.stdout.write(`${line}\n`),
  progress: (line) => process.stderr.write(`${line}\n`),
  stop,
});

/** Version of the package, as `tacho --version` prints it. */
export const packageVersion = (): string => {
  const text: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof text === 'object' && text !== null && 'version' in text ? String(text.version) : 'unknown';
};
