import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { encodeLogs, encodeTraces } from '../../schemas/otlp/encode.ts';
import type { OtlpItem, OtlpLogRecord, OtlpRequest, OtlpSpan } from '../../schemas/otlp/types.ts';
import type { Outcome } from '../../schemas/outcome.ts';

const CAPTURES = resolve(import.meta.dirname, '..', 'fixtures', 'captures');

/** The folder of a capture as it was recorded. */
export const captureDir = (name: string): string => join(CAPTURES, name);

const itemsOf = <T>(decoded: Outcome<OtlpRequest<T>>): readonly OtlpItem<T>[] => {
  if (decoded.kind === 'refused') throw new Error(decoded.detail);
  return decoded.value.items;
};

/** 0 stands for "not told" and stays. */
const later = (nanos: bigint, byNanos: bigint): bigint => (nanos === 0n ? 0n : nanos + byNanos);

const laterSpan = (span: OtlpSpan, by: bigint): OtlpSpan => ({
  ...span,
  startUnixNano: later(span.startUnixNano, by),
  endUnixNano: later(span.endUnixNano, by),
  events: span.events.map((event) => ({ ...event, timeUnixNano: later(event.timeUnixNano, by) })),
});

const laterLog = (log: OtlpLogRecord, by: bigint): OtlpLogRecord => ({
  ...log,
  timeUnixNano: later(log.timeUnixNano, by),
  observedUnixNano: later(log.observedUnixNano, by),
});

/**
 * Writes the spans and log records of captures into folders below `dir`, in requests as recorded, with times that end at
 * `endMs` (milliseconds since 1970): unlike `import --now` the same in every place they are imported into, and budgets
 * watch today. Gives the folders.
 */
export const writeShiftedCaptures = (names: readonly string[], dir: string, endMs: number): readonly string[] =>
  names.map((name) => {
    const requests = readdirSync(captureDir(name))
      .filter((file) => file.endsWith('.meta.json'))
      .sort()
      .map((file) => JSON.parse(readFileSync(join(captureDir(name), file), 'utf8')) as { file: string; signal: string })
      .map(({ file, signal }) => ({ file, signal, body: readFileSync(join(captureDir(name), file)) }));
    const spans = requests
      .filter(({ signal }) => signal === 'traces')
      .map((one) => ({ ...one, items: itemsOf(decodeTraces(one.body)) }));
    const logs = requests
      .filter(({ signal }) => signal === 'logs')
      .map((one) => ({ ...one, items: itemsOf(decodeLogs(one.body)) }));
    const ends = [
      ...spans.flatMap(({ items }) => items.map(({ item }) => item.endUnixNano)),
      ...logs.flatMap(({ items }) => items.map(({ item }) => item.timeUnixNano || item.observedUnixNano)),
    ];
    const newest = ends.reduce((latest, end) => (end > latest ? end : latest), 0n);
    const by = BigInt(endMs) * 1_000_000n - newest;
    const folder = join(dir, name);
    mkdirSync(folder, { recursive: true });
    const write = (file: string, signal: string, body: Uint8Array): void => {
      const stem = file.replace(/\.\w+$/, '');
      writeFileSync(join(folder, `${stem}.bin`), body);
      writeFileSync(join(folder, `${stem}.meta.json`), JSON.stringify({ file: `${stem}.bin`, signal }));
    };
    for (const { file, items } of spans)
      write(file, 'traces', encodeTraces(items.map((one) => ({ ...one, item: laterSpan(one.item, by) }))));
    for (const { file, items } of logs)
      write(file, 'logs', encodeLogs(items.map((one) => ({ ...one, item: laterLog(one.item, by) }))));
    return folder;
  });
