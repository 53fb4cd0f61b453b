// `npm run build:emitter`: plain JavaScript with types, and the schemas it reads at run time, into emitter/dist, or the
// folder given.
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = new URL('./', import.meta.url);
const out = process.argv[2] ?? fileURLToPath(new URL('dist', here));
rmSync(out, { recursive: true, force: true });
const { status } = spawnSync('tsc', ['-p', 'tsconfig.build.json', '--outDir', out], {
  cwd: here,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (status !== 0) process.exit(status ?? 1);
for (const name of ['action-event', 'control-event']) {
  const path = `schemas/avro/${name}.avsc`;
  copyFileSync(new URL(`../${path}`, here), `${out}/${path}`);
}
