// `npm run build:emitter`: plain JavaScript with types, and the schemas it reads at run time, into emitter/dist.
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync } from 'node:fs';

const here = new URL('./', import.meta.url);
rmSync(new URL('dist', here), { recursive: true, force: true });
const { status } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], {
  cwd: here,
  stdio: 'inherit',
  shell: process.platform === 'win32',
});
if (status !== 0) process.exit(status ?? 1);
for (const name of ['action-event', 'control-event']) {
  const path = `schemas/avro/${name}.avsc`;
  copyFileSync(new URL(`../${path}`, here), new URL(`dist/${path}`, here));
}
