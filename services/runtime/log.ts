import { type BaseLogger, pino } from 'pino';
import type { Logger } from './ports.ts';

/** Structured log lines on stderr (JSON), so that stdout stays for what a command answers. */
export const createLogger = (level: string): Logger => {
  const root = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: false }),
  );
  return wrap(root);
};

/** What we use of pino. */
interface PinoLike extends Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'> {
  readonly child: (fields: object) => PinoLike;
}

const wrap = (target: PinoLike): Logger => ({
  debug: (fields, message) => target.debug(fields, message),
  info: (fields, message) => target.info(fields, message),
  warn: (fields, message) => target.warn(fields, message),
  error: (fields, message) => target.error(fields, message),
  child: (fields) => wrap(target.child(fields)),
});

/** Says nothing; for commands whose output is their answer, and for tests. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};
