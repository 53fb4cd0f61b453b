// Runs before `npm start` and `npm test`: installs what the lock file says when node_modules does not match it.
// Plain JavaScript for any Node ≥ 16 and without dependencies: on a fresh clone nothing else is there yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const lock = join(root, 'package-lock.json');
const stamp = join(root, 'node_modules', '.tacho-lock-hash');
const wanted = createHash('sha256').update(readFileSync(lock)).digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('Installing dependencies (about 1 GB unpacked with the embedded ClickHouse; once, a minute or two) …');
  const startedMs = Date.now();
  // npm's own progress goes to the terminal; without one, its closing summary does.
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const result = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--progress=true'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (result.status !== 0) {
    console.error(
      'npm ci failed (see above). Check the network and the npm registry setting, then run the command again.',
    );
    process.exit(result.status ?? 1);
  }
  writeFileSync(stamp, wanted);
  console.error(`Dependencies installed in ${Math.round((Date.now() - startedMs) / 1000)} s.`);
}
