// Run while the image is built, before `npm ci --omit=dev`: takes what only a developer's machine needs (the embedded
// engine, 600 MB, and the Node that npm brings) out of package.json and package-lock.json of the current folder.
// `npm ci --omit=optional` is not the way: it leaves out the native parts of snappy and lz4 too, which npm also calls
// optional, and then a topic compressed by another producer cannot be read. Prints what was left out.
import { readFileSync, writeFileSync } from 'node:fs';

const read = (file) => JSON.parse(readFileSync(file, 'utf8'));
const write = (file, value) => writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);

const manifest = read('package.json');
const lock = read('package-lock.json');
delete manifest.optionalDependencies;
delete lock.packages[''].optionalDependencies;

/** Where Node finds `name` for a package at `from`: in its own node_modules, else in one further up. */
const found = (from, name) => {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const path = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (lock.packages[path] !== undefined) return path;
    if (folder === '') return null;
  }
};

const kept = new Set();
const open = [''];
for (let path = open.pop(); path !== undefined; path = open.pop()) {
  if (kept.has(path)) continue;
  kept.add(path);
  const entry = lock.packages[path];
  const wanted = [entry.dependencies, entry.devDependencies, entry.optionalDependencies, entry.peerDependencies];
  for (const name of wanted.flatMap((list) => Object.keys(list ?? {}))) {
    const at = found(path, name);
    if (at !== null) open.push(at);
  }
}

const leftOut = Object.keys(lock.packages).filter((path) => !kept.has(path));
for (const path of leftOut) delete lock.packages[path];
write('package.json', manifest);
write('package-lock.json', lock);
console.log(`left out: ${leftOut.map((path) => path.replace('node_modules/', '')).join(', ')}`);
