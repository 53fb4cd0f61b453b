import { audit, type CheckResult } from '../audit/audit.ts';
import { requireStoredData } from './data-folder.ts';
import { openClientStore } from './open-store.ts';
import type { World } from './world.ts';

/** Findings shown per check; the rest is counted. `--json` shows all. */
const SHOWN_MAX = 5;

/** Proves the promise from stored data. Resolves to 0, or 1 with the places where it does not hold. */
export const runAudit = async (world: World, asJson: boolean): Promise<number> => {
  requireStoredData(world.config);
  const opened = await openClientStore(world);
  try {
    const { clock } = world;
    const report = await audit(opened.store, { clock, settleMs: opened.settleMs }, (result) => {
      if (!asJson) show(world, result);
    });
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
  } finally {
    await opened.close();
  }
};

const show = (world: World, result: CheckResult): void => {
  const { findings, waiting } = result;
  const mark = findings.length > 0 ? 'FAIL' : waiting.length > 0 ? 'wait' : 'ok  ';
  world.print(`${mark}  ${result.name.padEnd(24)} ${result.claim}`);
  const told = [...findings, ...waiting];
  for (const finding of told.slice(0, SHOWN_MAX)) world.print(`        ${finding.place}: ${finding.detail}`);
  const rest = told.length - SHOWN_MAX;
  if (rest > 0) world.print(`        … and ${rest} more (--json shows them)`);
};
