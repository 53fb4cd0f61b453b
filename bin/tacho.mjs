#!/usr/bin/env node
// Finds a Node that runs TypeScript as it is (24 or later) and hands over to services/main.ts. Plain JavaScript for
// any Node ≥ 16, because it is the first thing that runs on a machine that may only have an old one.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NODE_MAJOR_MIN = 24;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const main = join(root, 'services', 'main.ts');
const args = [main, ...process.argv.slice(2)];

// glibc keeps what large buffers leave behind, one arena a thread: 60 MB here after a burst. It reads these once, at
// the start of a process, so the process is started again in place; elsewhere they mean nothing.
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '131072' };
const env = { ...MALLOC, ...process.env };

/** The Node 24 that npm installed for this platform, or null. */
const bundledNode = () => {
  try {
    const require = createRequire(join(root, 'package.json'));
    const manifest = require.resolve(`node-${process.platform}-${process.arch}/package.json`);
    const binary = join(dirname(manifest), 'bin', 'node');
    return existsSync(binary) ? binary : null;
  } catch {
    return null;
  }
};

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) {
  if (process.platform === 'linux' && process.env.MALLOC_ARENA_MAX === undefined && process.execve !== undefined) {
    process.emitWarning = () => {}; // execve is experimental in Node 24, and says so on every call
    process.execve(process.execPath, [process.execPath, ...process.execArgv, ...args], env);
  }
  process.argv[1] = main;
  await import(pathToFileURL(main).href);
} else {
  const node = bundledNode();
  if (node === null) {
    console.error(
      `tacho needs Node ${NODE_MAJOR_MIN} or later; this is ${process.version} and no bundled Node was found for ${process.platform}-${process.arch}. ` +
        `Run "npm install" in ${root} (Linux x64 and arm64 bring their own), or install Node ${NODE_MAJOR_MIN}.`,
    );
    process.exit(1);
  }
  // The channel ends with this process, however it ends: then the child stops as well.
  const child = spawn(node, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...env, TACHO_PARENT: 'wrapper' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
}
