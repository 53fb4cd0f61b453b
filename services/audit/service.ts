import type { Health, Logger, Service } from '../runtime/ports.ts';
import { type AuditDeps, auditAndRecord } from './record.ts';

export interface AuditSettings {
  /** From the start to the first audit: a start has better things to do. */
  readonly firstMs: number;
  /** From the end of one audit to the next. */
  readonly everyMs: number;
  /** Batches younger than this may still be landing. */
  readonly settleMs: number;
}

/**
 * Audits now and then beside a running system: one at a time, one thread, bounded memory. A failure of the store is told
 * and tried again at the next turn; what an audit finds is no failure of this service but of the promise, and is told as
 * an error in the log, in `audit_results` and in the metrics.
 */
export const createAuditService = (settings: AuditSettings, deps: AuditDeps & { readonly logger: Logger }): Service => {
  const stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let health: Health = { state: 'starting', detail: 'the first audit is yet to come' };

  const once = async (): Promise<void> => {
    try {
      const report = await auditAndRecord(deps, { settleMs: settings.settleMs, isGentle: true, signal: stop.signal });
      const findings = report.results.flatMap((result) => result.findings);
      health = { state: 'ok', detail: '' };
      if (findings.length === 0) deps.logger.info({ checks: report.results.length }, 'audit clean');
      else deps.logger.error({ findings: findings.slice(0, 10), count: findings.length }, 'audit found something');
    } catch (error) {
      if (stop.signal.aborted) return;
      health = { state: 'degraded', detail: `the last audit failed: ${String(error)}` };
      deps.logger.warn({ err: error }, 'audit failed; tried again at the next turn');
    }
  };

  const run = async (): Promise<void> => {
    await deps.clock.sleep(settings.firstMs, stop.signal);
    while (!stop.signal.aborted) {
      await once();
      await deps.clock.sleep(settings.everyMs, stop.signal);
    }
  };

  return {
    name: 'audit',
    start: async () => {
      running = run().catch((error: unknown) => {
        if (stop.signal.aborted) return;
        health = { state: 'stopped', detail: String(error) };
        deps.logger.error({ err: error }, 'audits stopped');
      });
    },
    health: () => health,
    drain: async () => {
      stop.abort();
      await running;
    },
  };
};
