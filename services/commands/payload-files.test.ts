import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type FilePayload, listFiles, readPayloads } from './payload-files.ts';

const captures = resolve(import.meta.dirname, '..', '..', 'test', 'fixtures', 'captures');
const folder = (): string => mkdtempSync(join(tmpdir(), 'tacho-payloads-'));
const all = async (file: string): Promise<readonly FilePayload[]> => Array.fromAsync(readPayloads(file));

test('tells the signal of recorded protobuf by its content, as its .meta.json does', async () => {
  const lone = folder();
  let seen = 0;
  for (const file of listFiles([captures]).filter((path) => path.endsWith('.bin'))) {
    const meta = JSON.parse(readFileSync(file.replace(/\.bin$/, '.meta.json'), 'utf8')) as { signal: string };
    const copy = join(lone, `${seen}.bin`);
    writeFileSync(copy, readFileSync(file));
    const [entry] = await all(copy);
    expect(entry?.kind === 'payload' ? entry.payload.signal : entry, file).toBe(meta.signal);
    seen += 1;
  }
  expect(seen).toBeGreaterThan(20);
});

test('reads one export request a line, gzip or not, and names the line that holds something else', async () => {
  const text = '{"resourceSpans":[]}\n\n{"resourceLogs":[]}\n{"hello":1}\n';
  const plain = join(folder(), 'a.ndjson');
  writeFileSync(plain, text);
  const zipped = join(folder(), 'a.ndjson.gz');
  writeFileSync(zipped, gzipSync(text));
  for (const file of [plain, zipped]) {
    const entries = await all(file);
    expect(entries.map((entry) => (entry.kind === 'payload' ? entry.payload.signal : entry.source))).toEqual([
      'traces',
      'logs',
      `${file}:4`,
    ]);
  }
});

test('takes payload files below a folder in name order and leaves descriptions and truths alone', () => {
  const names = listFiles([join(captures, 'strands')]).map((path) => path.slice(-8));
  expect(names).toEqual(['001.json', '002.json', '003.json']);
  expect(readdirSync(join(captures, 'strands'))).toContain('ground-truth.jsonl');
});

test('reads what the OpenAI Agents SDK exports by itself as the traces and logs the receiver makes of it', async () => {
  const file = join(captures, 'openai-agents-native', '001.json');
  const lone = join(folder(), 'lone.json');
  writeFileSync(lone, readFileSync(file));
  for (const path of [file, lone]) {
    const entries = await all(path);
    expect(entries.map((entry) => (entry.kind === 'payload' ? entry.payload.signal : entry.reason))).toEqual([
      'traces',
      'logs',
    ]);
  }
});
