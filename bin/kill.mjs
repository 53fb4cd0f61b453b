// `npm run kill -- --kills 100 [--log sqlite|kafka] [--shape together|apart] [--seed N]`: kills the parts of running
// systems under load and judges what is stored; the long form of test/system/kill.test.ts. Without --log both, without
// --shape both, half of the kills each. Exit code 1 when something was lost or doubled: then the data folder is kept.
import process from 'node:process';
import { parseArgs } from 'node:util';
import { runKills } from '../test/support/kill-run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    log: { type: 'string' },
    shape: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const logs = values.log === undefined ? ['sqlite', 'kafka'] : [values.log];
const shapes = values.shape === undefined ? ['together', 'apart'] : [values.shape];
const kills = Number(values.kills);
const seed = Number(values.seed);
const isKnown =
  logs.every((log) => ['sqlite', 'kafka'].includes(log)) &&
  shapes.every((shape) => ['together', 'apart'].includes(shape));
if (!isKnown || !Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  console.error('npm run kill -- --kills N [--log sqlite|kafka] [--shape together|apart] [--seed N]');
  process.exit(2);
}

const say = (line) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
say(`seed ${seed}`);
// Ends what it started, also when somebody ends it.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
let failed = 0;
for (const log of logs) {
  for (const [at, shape] of shapes.entries()) {
    const share = Math.floor(kills / shapes.length) + (at < kills % shapes.length ? 1 : 0);
    if (share === 0) continue;
    const startedMs = Date.now();
    const lines = [];
    try {
      const result = await runKills({ log, shape, kills: share, seed, say });
      const seconds = Math.round((Date.now() - startedMs) / 1000);
      lines.push(
        '',
        `${log}, ${shape}: ${share} kills, ${result.requests} requests in ${result.rounds} rounds, ${seconds} s`,
      );
      lines.push(
        `  killed: ${Object.entries(result.kills)
          .map(([name, count]) => `${name} ${count}`)
          .join(', ')}`,
      );
      lines.push(`  ${'table'.padEnd(22)}${'rows'.padStart(9)}${'lost'.padStart(7)}${'doubled'.padStart(9)}`);
      for (const { table, rows, lost, doubled } of result.tables)
        lines.push(
          `  ${table.padEnd(22)}${String(rows).padStart(9)}${String(lost).padStart(7)}${String(doubled).padStart(9)}`,
        );
      lines.push(
        `  tacho audit: ${result.auditCode === 0 ? 'clean' : `exit ${result.auditCode}\n${result.auditOutput}`}`,
      );
      for (const problem of result.problems) lines.push(`  PROBLEM ${problem}`);
      failed += result.problems.length > 0 ? 1 : 0;
    } catch (error) {
      failed += 1;
      lines.push('', `${log}, ${shape}: ended early: ${error instanceof Error ? error.stack : error}`);
      if (error instanceof Error && error.cause !== undefined) lines.push(`  because of ${error.cause}`);
    }
    console.log(`${lines.join('\n')}\n`);
  }
}
console.log(failed === 0 ? `\nNothing lost, nothing doubled (seed ${seed}).` : `\n${failed} failed (seed ${seed}).`);
process.exit(failed === 0 ? 0 : 1);
