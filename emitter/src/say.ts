import { diag } from '@opentelemetry/api';

/** A word to the log of OpenTelemetry (`diag`). A logger that throws must not end the agent, nor our loop. */
export const say = (level: 'verbose' | 'info' | 'warn' | 'error', message: string): void => {
  try {
    diag[level](`tachograph: ${message}`);
  } catch {
    // Nobody is left to tell.
  }
};

/** What went wrong, in one line. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
