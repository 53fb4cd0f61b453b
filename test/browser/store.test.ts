import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestEngine, type TestEngine } from '../support/engine.ts';

const CHROMIUM = '/usr/bin/chromium';
/** CI sets REQUIRE_BROWSER=1, so that there these cannot be passed over. */
const canRun = existsSync(CHROMIUM) || process.env['REQUIRE_BROWSER'] === '1';

/** A name Chromium takes for a foreign site, though it leads to this machine: what DNS rebinding does. */
const FOREIGN = 'foreign.test';
const INSERT = 'INSERT INTO tacho.browser_notes VALUES (1)';

let engine: TestEngine;
let browser: Browser;
let pages: Server;
let port: number;
let pagesPort: number;

const owner = async (sql: string): Promise<string> => {
  const headers = { 'X-ClickHouse-User': engine.user, 'X-ClickHouse-Key': engine.password };
  const reply = await fetch(engine.url, { method: 'POST', headers, body: sql });
  const text = await reply.text();
  if (!reply.ok) throw new Error(text);
  return text.trim();
};
const rows = (): Promise<string> => owner('SELECT count() FROM tacho.browser_notes');

interface Seen {
  readonly status?: number;
  readonly type?: string;
  readonly text?: string;
  /** What `fetch` threw: the page may not read the answer. */
  readonly failed?: string;
}

/** What a page of this origin gets to see of a `fetch` of the store. */
const seenFrom = async (origin: string, query: string, init: object = {}): Promise<Seen> => {
  const page = await browser.newPage();
  try {
    await page.goto(origin);
    const url = `${engine.url}/?${query}`;
    // What runs in the page is text: the compiler of this house knows no browser.
    const seen = await page.evaluate(`fetch(${JSON.stringify(url)}, ${JSON.stringify(init)}).then(
      async (reply) => ({ status: reply.status, type: reply.type, text: await reply.text() }),
      (error) => ({ failed: error.name }),
    )`);
    return seen as Seen;
  } finally {
    await page.close();
  }
};

const queryOf = (sql: string): string => `query=${encodeURIComponent(sql)}`;
const SELECT = queryOf('SELECT 1 AS one FORMAT JSON');
/** The browser kept the answer from the page. */
const KEPT: Seen = { failed: 'TypeError' };

describe.skipIf(!canRun)('the embedded store in Chromium', () => {
  beforeAll(async () => {
    engine = await startTestEngine();
    await owner('CREATE TABLE tacho.browser_notes (n UInt8) ENGINE = MergeTree ORDER BY n');
    port = Number(new URL(engine.url).port);
    pages = createServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>a page</title>');
    }).listen(0, '127.0.0.1');
    await once(pages, 'listening');
    const address = pages.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    pagesPort = address.port;
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
        `--host-resolver-rules=MAP ${FOREIGN} 127.0.0.1`,
      ],
    });
  });
  afterAll(async () => {
    await browser?.close();
    pages?.closeAllConnections();
    pages?.close();
    await engine?.close();
  });

  test.each(['127.0.0.1', 'localhost'])('a person reads an answer by its address at %s', async (host) => {
    const page = await browser.newPage();
    const reply = await page.goto(`http://${host}:${port}/?query=SELECT%201%20FORMAT%20JSON`);
    expect(reply?.status()).toBe(200);
    expect(reply?.headers()['content-type']).toBe('application/json; charset=UTF-8');
    const shown = JSON.parse(String(await page.evaluate('document.body.innerText')));
    expect(shown).toMatchObject({ data: [{ '1': 1 }], rows: 1 });
    await page.close();
  });

  test('an error is shown as ClickHouse words it', async () => {
    const page = await browser.newPage();
    const reply = await page.goto(`${engine.url}/?query=SELECT%20nothing`);
    expect(reply?.status()).toBe(404);
    expect(String(await page.evaluate('document.body.innerText'))).toMatch(/^Code: 47\. DB::Exception: .*nothing/);
    await page.close();
  });

  test.each(['127.0.0.1', 'localhost'])('a page of %s at another port may read', async (host) => {
    const origin = `http://${host}:${pagesPort}`;
    const get = await seenFrom(origin, SELECT);
    expect(get).toMatchObject({ status: 200, type: 'cors' });
    expect(JSON.parse(get.text ?? '')).toMatchObject({ data: [{ one: 1 }] });
    const post = await seenFrom(origin, 'default_format=TSV', { method: 'POST', body: 'SELECT 2' });
    expect(post).toEqual({ status: 200, type: 'cors', text: '2\n' });
  });

  test('such a page may choose format and database by header, which the browser asks leave for', async () => {
    const headers = { 'X-ClickHouse-Format': 'CSV', 'X-ClickHouse-Database': 'tacho' };
    const seen = await seenFrom(`http://localhost:${pagesPort}`, queryOf('SELECT currentDatabase()'), { headers });
    expect(seen).toEqual({ status: 200, type: 'cors', text: '"tacho"\n' });
  });

  test('such a page may use no other header, and no method but GET, HEAD and POST', async () => {
    const origin = `http://localhost:${pagesPort}`;
    expect(await seenFrom(origin, SELECT, { headers: { 'X-Other': '1' } })).toEqual(KEPT);
    for (const method of ['PUT', 'DELETE']) expect(await seenFrom(origin, SELECT, { method })).toEqual(KEPT);
  });

  test('such a page writes nothing: neither by POST nor by GET, nor by raising its own rights', async () => {
    const origin = `http://localhost:${pagesPort}`;
    const attempts = [
      await seenFrom(origin, '', { method: 'POST', body: INSERT }),
      await seenFrom(origin, queryOf(INSERT), { method: 'POST' }),
      await seenFrom(origin, queryOf('INSERT INTO tacho.browser_notes FORMAT TSV'), { method: 'POST', body: '1\n' }),
      await seenFrom(origin, `readonly=0&${queryOf(INSERT)}`, { method: 'POST' }),
      await seenFrom(origin, queryOf(INSERT)),
      await seenFrom(origin, '', { method: 'POST', body: 'DROP TABLE tacho.browser_notes' }),
    ];
    for (const seen of attempts) {
      expect(seen.status).toBeGreaterThanOrEqual(400);
      expect(seen.text).toMatch(/^Code: (164|497|452)\. DB::Exception/);
    }
    expect(await rows()).toBe('0');
  });

  test('a page that came from the store itself writes nothing either', async () => {
    const seen = await seenFrom(`${engine.url}/ping`, '', { method: 'POST', body: INSERT });
    expect(seen).toMatchObject({ type: 'basic' });
    expect(seen.status).toBeGreaterThanOrEqual(400);
    expect(await rows()).toBe('0');
  });

  test('a page of another site reads and writes nothing, whatever mode it asks in', async () => {
    const origin = `http://${FOREIGN}:${pagesPort}`;
    expect(await seenFrom(origin, SELECT)).toEqual(KEPT);
    expect(await seenFrom(origin, '', { method: 'POST', body: INSERT })).toEqual(KEPT);
    const blind = await seenFrom(origin, '', { method: 'POST', mode: 'no-cors', body: INSERT });
    expect([{ status: 0, type: 'opaque', text: '' }, KEPT]).toContainEqual(blind);
    expect(await seenFrom('data:text/html,<title>no origin</title>', SELECT)).toEqual(KEPT);
    expect(await rows()).toBe('0');
  });

  test('a foreign name that leads to this machine opens nothing', async () => {
    const page = await browser.newPage();
    const reply = await page.goto(`http://${FOREIGN}:${port}/?${SELECT}`);
    expect(reply?.status()).toBe(403);
    expect(await reply?.text()).toMatch(/^Code: 497\. /);
    await page.close();
  });
});
