import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
let home: string;

/** What a program of a user does with the package; prints what it saw. */
const PROGRAM = `
import { createEmitter, KafkaLogRecordExporter, KafkaSpanExporter } from '@tachograph/emitter';
import { onControl } from '@tachograph/emitter/control';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const place = { brokers: ['127.0.0.1:1'], flushTimeoutMs: 200 };
const emitter = createEmitter({ ...place, spool: { dir: process.argv[2] } });
const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(emitter.spanExporter)] });
provider.getTracer('t').startSpan('s').end();
await provider.forceFlush();
const action = emitter.emitAction({ kind: 'egress', name: 'x', egress: { host: 'example.com' } });
const own = [new KafkaSpanExporter(place), new KafkaLogRecordExporter(place)];
const control = onControl({ url: 'http://127.0.0.1:1', pollMs: 50 }, { agents: ['a'] }, () => {});
await Promise.all(own.map((exporter) => exporter.shutdown()));
await control.close();
await emitter.shutdown();
console.log(JSON.stringify({ action, version: process.versions.node, ...emitter.stats() }));
`;
const TYPED = `
import { createEmitter, type ControlRequest, type EmitterStats } from '@tachograph/emitter';
const emitter = createEmitter({ brokers: ['b:9092'], spool: { dir: 's', fsync: 'always' } });
const stats: EmitterStats = emitter.stats();
emitter.emitAction({ kind: 'data_access', name: 'read', data: { namespace: 'n', name: 't', rows: stats.sent } });
emitter.onControl({ isRun: (id) => id.length === 32 }, (request: ControlRequest) => console.log(request.action));
// @ts-expect-error -- an agent may not say whose tenant it is
emitter.emitAction({ kind: 'egress', name: 'x', tenant_id: 'other' });
`;

/** Another Node of this machine, old enough to be worth a test and new enough for the package; null: there is none. */
const otherNode = (): string | null => {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'node');
    if (folder.includes('node_modules') || !existsSync(path)) continue;
    const [major = 0, minor = 0] = execFileSync(path, ['-v'], { encoding: 'utf8' }).slice(1).split('.').map(Number);
    if (major > 20 || (major === 20 && minor >= 15)) return path;
  }
  return null;
};
const runWith = (node: string, name: string): Record<string, unknown> => {
  const spool = join(home, `spool-${name}`);
  const ran = spawnSync(node, [join(home, 'program.mjs'), spool], { cwd: home, encoding: 'utf8', timeout: 120_000 });
  if (ran.status !== 0) throw new Error(`${ran.status} ${ran.stdout}${ran.stderr}`);
  return JSON.parse(ran.stdout);
};

/** The package as npm would install it: built, packed, unpacked elsewhere, beside what it says it needs. */
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tacho-package-'));
  execFileSync('node', ['emitter/build.mjs', join(home, 'dist')], { cwd: root, stdio: 'pipe' });
  const modules = join(home, 'node_modules');
  const installed = join(modules, '@tachograph', 'emitter');
  mkdirSync(installed, { recursive: true });
  cpSync(join(home, 'dist'), join(installed, 'dist'), { recursive: true });
  const text = readFileSync(join(root, 'emitter', 'package.json'), 'utf8');
  writeFileSync(join(installed, 'package.json'), text);
  const { dependencies, peerDependencies } = JSON.parse(text);
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(home, 'program.mjs'), PROGRAM);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const EXPECTED = { action: { kind: 'queued' }, offered: 2, waiting: 2, droppedFull: 0, droppedDisk: 0, recovered: 0 };

describe('the built package in a program of somebody else', () => {
  test('works on this Node', () => {
    expect(runWith(process.execPath, 'this')).toMatchObject(EXPECTED);
    expect(runWith(process.execPath, 'this')).toMatchObject({ ...EXPECTED, waiting: 4, recovered: 2 });
  });

  const other = otherNode();
  test.runIf(other !== null)('works on the other Node of this machine, without a flag', () => {
    const seen = runWith(other ?? '', 'other');
    console.log(`the other Node is ${String(seen['version'])}`);
    expect(seen).toMatchObject(EXPECTED);
  });

  test('has types that say what it takes', () => {
    writeFileSync(join(home, 'typed.ts'), TYPED);
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules', '@types')];
    const ran = spawnSync('tsc', [...flags, ...types, join(home, 'typed.ts')], { cwd: home, encoding: 'utf8' });
    expect([ran.status, ran.stdout]).toEqual([0, '']);
  });
});
