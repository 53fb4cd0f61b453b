import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

let engine: TestEngine;
beforeAll(async () => {
  engine = await startTestEngine();
});
afterAll(() => engine.close());

const part = (name: string, value: string): string =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const form = async (body: string, type = 'multipart/form-data; boundary=b'): Promise<string> =>
  (await fetch(engine.url, { method: 'POST', body, headers: { 'content-type': type } })).text();

test('parameters of any length come in a form, and mean what they mean in the URL', async () => {
  const client = createClient({
    ...{ url: engine.url, username: engine.user, password: engine.password },
    ...{ log: { level: ClickHouseLogLevel.OFF }, use_multipart_params_auto: true },
  });
  const nasty = [
    "tab\t quote' back\\slash\nline é",
    '--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1',
  ];
  const list = [...nasty, ...Array.from({ length: 2_000 }, (_value, at) => `key ${at}`)];
  const result = await client.query({
    query: 'SELECT {list:Array(String)} AS list, {one:String} AS one',
    format: 'JSONEachRow',
    query_params: { list, one: nasty[0] },
  });
  expect(await result.json()).toEqual([{ list, one: nasty[0] }]);
  await client.close();
  expect(await form(`${part('query', 'SELECT 2')}--b--\r\n`)).toBe('2\n');
});

test('a broken form, a part that is neither query nor parameter, and an external table are refused', async () => {
  expect(await form(part('query', 'SELECT 2'))).toContain('CANNOT_READ_ALL_DATA');
  expect(await form('SELECT 2', 'multipart/form-data')).toContain('CANNOT_READ_ALL_DATA');
  expect(await form(`${part('max_threads', '1')}--b--\r\n`)).toContain('NOT_IMPLEMENTED');
  expect(await form(`${part('t"; filename="t', '1')}--b--\r\n`)).toContain('NOT_IMPLEMENTED');
});
