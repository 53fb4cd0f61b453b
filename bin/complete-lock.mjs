// Run after `npm install` changed package-lock.json. Some registries do not carry every platform's build of the embedded
// engine; npm then writes a lock file without them, and `npm ci` refuses it as out of step. This adds the missing
// entries as npm would write them, without an integrity hash, so that `npm ci` works everywhere and a platform whose
// build is there still gets it.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const optional = lock.packages['node_modules/chdb'].optionalDependencies;
const added = [];
for (const [name, version] of Object.entries(optional)) {
  const key = `node_modules/${name}`;
  if (lock.packages[key] !== undefined) continue;
  const [os, cpu, libc] = name.replace('@chdb/lib-', '').split('-');
  lock.packages[key] = {
    version,
    cpu: [cpu],
    ...(libc === 'gnu' ? { libc: ['glibc'] } : {}),
    license: 'Apache-2.0',
    optional: true,
    os: [os],
  };
  added.push(name);
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? 'package-lock.json is complete' : `added ${added.join(', ')}`);
