// `npm run bench [-- NAME…] [--quick] [--out FILE] […]`: lists the benches, or runs those named (`all`: every one) with
// the options that follow; `--help` after a name says what it measures and takes. Each is a program of its own in test/bench; npm puts the Node 24 it needs first on PATH.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'bench');

/** Name = file in test/bench; what it measures; minutes in its default form. */
const BENCHES = [
  ['normalizer-kafka', 'spans per CPU-second, Kafka → ClickHouse, beside an OTel Collector (TACHO_PEER_COLLECTOR)', 5],
  ['normalizer-stages', 'where the CPU of the normalizer goes, by stage and by function', 2],
  ['freshness', 'accepted → queryable, p50 and p99, at 1 k, 5 k, 10 k spans/s; embedded and over Kafka', 5],
  ['memory-curve', 'resident memory of each process under steady load (--minutes 30 for the full curve)', 5],
  ['peer-loss', 'lost and doubled spans after a stalled store and after SIGKILL, beside an OTel Collector', 4],
  ['outage-drain', 'how fast a backlog is worked off after an outage of the store', 5],
  ['emitter-latency', 'what the emitter costs the agent that loads it', 1],
  ['receiver-doors', 'spans per CPU-second of the receiver, OTLP/HTTP and gRPC', 2],
  ['insert-format', 'rows per CPU-second into ClickHouse, Native and JSONEachRow', 1],
  ['policy-speed', 'steps per CPU-second through the rules', 1],
  ['lineage-answers', 'how long lineage answers take over ten million edges', 10],
].filter(([name]) => existsSync(join(folder, `${name}.ts`)));

const given = process.argv.slice(2);
const firstOption = given.findIndex((arg) => arg.startsWith('-'));
const names = firstOption < 0 ? given : given.slice(0, firstOption);
const options = firstOption < 0 ? [] : given.slice(firstOption);
const unknown = names.filter((name) => name !== 'all' && !BENCHES.some(([known]) => known === name));
if (names.length === 0 || unknown.length > 0) {
  if (unknown.length > 0) console.error(`no bench is called ${unknown.join(', ')}`);
  console.log('npm run bench -- NAME… [--quick] [--out FILE] [options of the bench]     NAME: one of these, or all\n');
  for (const [name, what, minutes] of BENCHES) console.log(`  ${name.padEnd(18)} ~${minutes} min  ${what}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

const wanted = BENCHES.filter(([name]) => names.includes('all') || names.includes(name));

/** What stands at the head of a bench: what it measures, how it is called, what its figures mean. */
const headOf = (name) => {
  const text = readFileSync(join(folder, `${name}.ts`), 'utf8');
  const comment = /^(?:\/\*\*[\s\S]*?\*\/|(?:\/\/.*\n)+)/m.exec(text)?.[0] ?? '';
  return comment.replaceAll(/^(?:\/\*\*| ?\*\/| ?\*|\/\/) ?|\*\/$/gm, '').trim();
};
if (options.some((option) => option === '--help' || option === '-h')) {
  for (const [name, what, minutes] of wanted) console.log(`${name}  ~${minutes} min  ${what}\n\n${headOf(name)}\n`);
  process.exit(0);
}
if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`the benches need Node 24 or later; this is ${process.version}: use npm run bench`);
  process.exit(1);
}

const outAt = options.indexOf('--out');
const out = outAt < 0 ? null : options[outAt + 1];
if (outAt >= 0) options.splice(outAt, 2);
/** Benches that print text only and know no options. */
const takesOptions = (name) => readFileSync(join(folder, `${name}.ts`), 'utf8').includes('benchOptions(');

const work = mkdtempSync(join(tmpdir(), 'tacho-bench-out-'));
const results = [];
const failed = [];
for (const [name] of wanted) {
  console.log(`── ${name}`);
  const json = join(work, `${name}.json`);
  const args = takesOptions(name) ? [...options, ...(out === null ? [] : ['--out', json])] : [];
  const { status } = spawnSync(process.execPath, [join(folder, `${name}.ts`), ...args], { stdio: 'inherit' });
  if (status !== 0) failed.push(name);
  if (existsSync(json)) results.push(JSON.parse(readFileSync(json, 'utf8')));
}
rmSync(work, { recursive: true, force: true });
if (out !== null) writeFileSync(out, `${JSON.stringify(results, null, 2)}\n`);
if (failed.length > 0) {
  console.error(`── failed: ${failed.join(', ')}`);
  process.exit(1);
}
