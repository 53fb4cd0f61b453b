/**
 * Rows of `spans` a CPU-second, in Native (ours) and in JSONEachRow (the peer: what a client without a writer would send),
 * client and engine apart: `node test/bench/insert-format.ts`. The captures over and over, both formats in turns.
 */
import { readFileSync } from 'node:fs';
import { batchOf, freshOptions, recordOf, sourceOf } from '../../services/normalizer/batch-fixture.ts';
import { normalizeBatch } from '../../services/normalizer/processor.ts';
import { encodeBlock } from '../../services/runtime/native/block.ts';
import { parseColumnType } from '../../services/runtime/native/column-type.ts';
import type { Row } from '../../services/runtime/ports.ts';
import { captures } from '../support/captures.ts';
import { startTestEngine } from '../support/engine.ts';

const ROWS = 20_000;
const ROUNDS = 7;
const TICKS_PER_SECOND = 100;
const FORMATS = ['Native', 'JSONEachRow'] as const;

const engine = await startTestEngine();
const engineSeconds = (): number => {
  const fields = readFileSync(`/proc/${engine.engine.pid()}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
};

const records = captures()
  .filter(({ signal }) => signal === 'traces')
  .map(({ bytes }, offset) => recordOf(bytes, offset));
const { output } = normalizeBatch(batchOf(records, 'otlp_spans'), sourceOf('spans'), () => false, freshOptions());
const some = output.tables.find(({ table }) => table === 'spans')?.rows ?? [];
const rows: readonly Row[] = Array.from({ length: ROWS }, (_, at) => ({ ...some[at % some.length] }));

const described = await engine.store.query<{ name: string; type: string }>(
  `SELECT name, type FROM system.columns WHERE database = 'tacho' AND table = 'spans'`,
);
const columns = described.flatMap(({ name, type: typeText }) => {
  const type = parseColumnType(typeText);
  return type === null || rows[0]?.[name] === undefined ? [] : [{ name, typeText, type }];
});
const names = columns.map(({ name }) => name).join(', ');
const encoders = {
  Native: () => encodeBlock(columns, rows),
  JSONEachRow: () => Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n')),
};

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
const figures = {
  Native: { client: [] as number[], engine: [] as number[] },
  JSONEachRow: { client: [] as number[], engine: [] as number[] },
};
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const format of FORMATS) {
    const began = process.cpuUsage();
    const bytes = encoders[format]();
    const client = process.cpuUsage(began);
    const before = engineSeconds();
    const sql = encodeURIComponent(`INSERT INTO tacho.spans (${names}) FORMAT ${format}`);
    const headers = { 'x-clickhouse-user': engine.user, 'x-clickhouse-key': engine.password };
    const answer = await fetch(`${engine.url}/?query=${sql}`, { method: 'POST', headers, body: new Uint8Array(bytes) });
    if (!answer.ok) throw new Error(await answer.text());
    // The first round warms both up.
    if (round === 0) continue;
    figures[format].client.push((client.user + client.system) / 1e6);
    figures[format].engine.push(engineSeconds() - before);
    if (round === 1) console.log(`${format}: ${(bytes.length / ROWS).toFixed(0)} bytes a row`);
  }
}
for (const format of FORMATS) {
  const client = median(figures[format].client);
  const server = median(figures[format].engine);
  const rate = (seconds: number): string => `${(ROWS / seconds / 1000).toFixed(0)} k`;
  console.log(`${format}: rows/CPU-s: encode ${rate(client)}, engine ${rate(server)}, both ${rate(client + server)}`);
}
await engine.close();
