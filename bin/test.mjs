// `npm test`: lint, types, and all tests that need no server from outside. Stops at the first that fails.
import { spawnSync } from 'node:child_process';
import process from 'node:process';

const report = process.env.TACHO_TEST_REPORT;
const steps = [
  ['lint', 'biome', ['ci', '--colors=off', '--error-on-warnings', '.']],
  ['types', 'tsc', ['--noEmit']],
  [
    'tests',
    'vitest',
    [
      'run',
      ...process.argv.slice(2),
      ...(report ? ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`] : []),
    ],
  ],
];
for (const [name, command, args] of steps) {
  console.log(`── ${name}`);
  // npm puts node_modules/.bin first on PATH, and with it the Node 24 installed there.
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) {
    console.error(`── ${name} failed`);
    process.exit(status ?? 1);
  }
}
