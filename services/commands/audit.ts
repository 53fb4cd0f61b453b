import { type AuditReport, audit, type CheckResult } from '../audit/audit.ts';
import { type AuditMoment, recordAudit } from '../audit/record.ts';
import { TransportError } from '../runtime/errors.ts';
import { createPingCheck } from '../runtime/http/health-door.ts';
import { repairStore } from './audit-repair.ts';
import { drainAll, startAll } from './deadline.ts';
import { openAccess } from './open-access.ts';
import { healthDoorsOf } from './open-health.ts';
import type { OpenStore } from './open-store.ts';
import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** Findings shown per check; the rest is counted. `--json` shows all. */
const SHOWN_MAX = 5;

export interface AuditCommand {
  readonly asJson: boolean;
  /** Write what was found into audit_results. */
  readonly record: boolean;
  /** Mend what can be mended before the audit; 'plan': only say what would be done. */
  readonly repair: 'no' | 'plan' | 'yes';
  /** Again this long after each audit, until told to stop, ms; null: once. */
  readonly everyMs: number | null;
}

/**
 * Proves the promise from stored data. Resolves to 0, or 1 with the places where it does not hold. With `everyMs` it goes
 * on until told to stop, whatever it finds, and resolves to 0.
 */
export const runAudit = async (world: World, command: AuditCommand): Promise<number> => {
  return withStoredData(world, async (opened) => {
    if (command.repair !== 'no') {
      const isMended = await repairStore(world, opened, command.repair === 'plan');
      if (command.repair === 'plan') return isMended ? 0 : 1;
    }
    if (command.everyMs === null) return await once(world, opened, command);
    await againAndAgain(world, opened, command, command.everyMs);
    return 0;
  });
};

const againAndAgain = async (
  world: World,
  opened: OpenStore,
  command: AuditCommand,
  everyMs: number,
): Promise<void> => {
  const store = createPingCheck('store', opened.store, world.clock);
  const doors = healthDoorsOf(world, openAccess(world.config), async () => [await store()]);
  await startAll(doors, world.logger, world.clock);
  try {
    while (!world.stop.aborted) {
      await onceMore(world, opened, command);
      await world.clock.sleep(everyMs, world.stop).catch(ignoreStop(world));
    }
  } finally {
    await drainAll(doors, world.logger, world.clock);
  }
};

/** A store that is away for a while ends no loop: that is when somebody should look at the next audit. */
const onceMore = async (world: World, opened: OpenStore, command: AuditCommand): Promise<void> => {
  try {
    await once(world, opened, command);
  } catch (error) {
    if (world.stop.aborted) return;
    if (!(error instanceof TransportError)) throw error;
    world.progress(`audit failed: ${error.message}; tried again at the next turn`);
  }
};

const ignoreStop =
  (world: World) =>
  (error: unknown): void => {
    if (!world.stop.aborted) throw error;
  };

const once = async (world: World, opened: OpenStore, { asJson, record, everyMs }: AuditCommand): Promise<number> => {
  const { clock } = world;
  const startedMs = clock.nowMs();
  const options = { clock, settleMs: opened.settleMs, isGentle: everyMs !== null, signal: world.stop };
  const report = await audit(opened.store, options, (result) => {
    if (!asJson) show(world, result);
  });
  const moment = { auditId: world.random.uuid(), startedMs, finishedMs: clock.nowMs() };
  if (record) await recordIfAllowed(world, opened, report, moment);
  if (asJson) {
    world.print(JSON.stringify(report, null, 2));
    return report.isClean ? 0 : 1;
  }
  const t = report.totals;
  if (t !== null)
    world.print(
      `\n${t.batches} batches, ${t.records} records → ${t.spans} rows in spans (${t.duplicates} duplicates recognised, ${t.dead_letters} dead letters), ${t.entries} bookings for ${t.net_calls} model calls`,
    );
  world.print(report.isClean ? 'Audit clean: nothing lost, nothing doubled.' : 'Audit failed: see the places above.');
  return report.isClean ? 0 : 1;
};

/** A user who may only read can audit; then the result is told and not kept. */
const recordIfAllowed = async (
  world: World,
  opened: OpenStore,
  report: AuditReport,
  moment: AuditMoment,
): Promise<void> => {
  try {
    await recordAudit(opened.store, report, moment);
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    world.progress(`not recorded in audit_results: ${error.message}`);
  }
};

const show = (world: World, result: CheckResult): void => {
  const { findings, waiting } = result;
  const mark = findings.length > 0 ? 'FAIL' : waiting.length > 0 ? 'wait' : 'ok  ';
  world.print(`${mark}  ${result.name.padEnd(24)} ${result.claim}`);
  if (result.byManifestBefore !== null)
    world.print(`        before ${result.byManifestBefore.slice(0, 10)} by manifest only: the rows have expired`);
  const told = [...findings, ...waiting];
  for (const finding of told.slice(0, SHOWN_MAX)) world.print(`        ${finding.place}: ${finding.detail}`);
  const rest = told.length - SHOWN_MAX;
  if (rest > 0) world.print(`        … and ${rest} more (--json shows them)`);
};
