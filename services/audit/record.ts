import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, Random, Row, Store } from '../runtime/ports.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import { type AuditOptions, type AuditReport, audit, type CheckResult } from './audit.ts';

/** Places kept of a check; all of them are told by `tacho audit --json`. */
const PLACES_MAX = 5;
/** A place with its detail names ids of senders: longer ones are cut. */
const PLACE_CHARS_MAX = 500;

/** When an audit ran, ms since 1970, and its id. */
export interface AuditMoment {
  readonly auditId: string;
  readonly startedMs: number;
  readonly finishedMs: number;
}

/** The rows of `audit_results` for one audit, a check a row, in the order the checks ran. */
export const auditRows = (report: AuditReport, moment: AuditMoment): readonly Row[] =>
  report.results.map((result, position) => ({
    audit_id: moment.auditId,
    position,
    check: result.name,
    claim: result.claim,
    kind: result.kind,
    findings: result.findings.length,
    waiting: result.waiting.length,
    places: placesOf(result),
    watermark: report.until,
    started_at: utcMillis(moment.startedMs),
    finished_at: utcMillis(moment.finishedMs),
  }));

const placesOf = ({ findings, waiting }: CheckResult): readonly string[] =>
  [...findings, ...waiting]
    .slice(0, PLACES_MAX)
    .map(({ place, detail }) => `${place}: ${detail}`.slice(0, PLACE_CHARS_MAX));

export interface AuditDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
}

/** Audits, and writes down what came of it: one row a check in `audit_results`, one gauge a check in the metrics. */
export const auditAndRecord = async (deps: AuditDeps, options: Omit<AuditOptions, 'clock'>): Promise<AuditReport> => {
  const { store, clock, random, metrics } = deps;
  const startedMs = clock.nowMs();
  const report = await audit(store, { ...options, clock });
  const moment = { auditId: random.uuid(), startedMs, finishedMs: clock.nowMs() };
  for (const result of report.results) metrics.gauge('audit_findings', result.findings.length, { check: result.name });
  metrics.gauge('audit_finished_timestamp_seconds', moment.finishedMs / 1000);
  await recordAudit(store, report, moment);
  return report;
};

/** Writes the rows of an audit; resolves once they are stored. */
export const recordAudit = (store: Store, report: AuditReport, moment: AuditMoment): Promise<void> =>
  store.insert('audit_results', auditRows(report, moment), { token: `audit/${moment.auditId}` });
