import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  attributeList,
  batchOf,
  freshOptions,
  recordOf,
  sourceOf,
  span,
  spanRequest,
} from '../../services/normalizer/batch-fixture.ts';
import { normalizeBatch } from '../../services/normalizer/processor.ts';
import { loadSeenSteps } from '../../services/normalizer/seen-set.ts';
import { captures } from '../support/captures.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(() => engine.close());

const payloads = captures().filter(({ signal }) => signal === 'traces' || signal === 'logs');
const hostile = spanRequest([
  span(
    { 'user.id': '\ud800"\\\n\u0000' },
    {
      startTimeUnixNano: '10400000000000000000',
      endTimeUnixNano: '1',
      links: [{ traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }],
      attributes: [
        ...attributeList({ 'a"b\\': '\u0000\n', 'user.id': '\udfff' }),
        { key: '__proto__', value: { stringValue: 'x' } },
      ],
    },
  ),
  span({}, { traceId: 'xyz' }),
]);

test('the tables take every row of every recorded payload, and a hostile one, unchanged in number', async () => {
  const records = [...payloads.map(({ bytes }, offset) => recordOf(bytes, offset)), recordOf(hostile, payloads.length)];
  const isLog = (offset: number) => payloads[offset]?.signal === 'logs';
  let spans = 0;
  for (const signal of ['spans', 'logs'] as const) {
    const own = records.filter(({ offset }) => isLog(offset) === (signal === 'logs'));
    const { output } = normalizeBatch(batchOf(own, `otlp_${signal}`), sourceOf(signal), () => false, freshOptions());
    for (const { table, rows } of output.tables)
      await engine.store.insert(table, rows, { token: `${signal}/${table}` });
    spans += output.tables[0]?.rows.length ?? 0;
  }
  const [counted] = await engine.store.query<{ rows: string; runs: string; hashes: string }>(
    `SELECT (SELECT count() FROM spans) AS rows, (SELECT uniqExact(run_id) FROM spans) AS runs,
            (SELECT count() FROM span_content WHERE content_hash = '') AS hashes`,
  );
  expect(Number(counted?.rows)).toBe(spans);
  expect(Number(counted?.runs)).toBeGreaterThan(100);
  expect(Number(counted?.hashes)).toBe(0);

  const [row] = await engine.store.query<Record<string, unknown>>(
    `SELECT toString(ts) AS ts, toString(duration_ns) AS duration, attributes, links, reported_input_tokens
     FROM spans WHERE log_offset = {offset:UInt64}`,
    { offset: payloads.length },
  );
  expect(row).toMatchObject({ ts: '2261-12-31 23:59:59.999999999', duration: '0', reported_input_tokens: null });
  expect(JSON.stringify(row?.['attributes'])).toContain('__proto__');
});

test('the seen-set is loaded from what is stored', async () => {
  const place = { logId: 'log-1', topic: 'otlp_spans', partition: 0 };
  const first = payloads.length + 1;
  const seen = await loadSeenSteps(engine.store, place, first, new AbortController().signal);
  const [stored] = await engine.store.query<{ rows: string }>(
    `SELECT count() AS rows FROM spans WHERE log_topic = 'otlp_spans'`,
  );
  expect(seen).toHaveLength(Number(stored?.rows));
  expect(await loadSeenSteps(engine.store, place, 0, new AbortController().signal)).toEqual([]);
});
