import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TENANT_HEADER } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { type ApiService, createApi } from '../../services/api/service.ts';
import { systemClock } from '../../services/runtime/clock.ts';
import { testContext } from '../support/api.ts';
import { startCapturedEngine } from '../support/captured-store.ts';
import { canBrowse, launchChromium } from '../support/chromium.ts';
import type { TestEngine } from '../support/engine.ts';

let engine: TestEngine;
let api: ApiService;
let browser: Browser;
let origin: string;
const complaints: string[] = [];

/** Whoever runs this in a page is found out by its global. */
const HOSTILE = `"><img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script><svg onload=globalThis.pwned=1>'\`\${1}javascript:pwned`;

/** One export in which every text a sender controls is hostile. */
const hostileExport = (): Uint8Array => {
  const startNs = BigInt(systemClock.nowMs() - 5000) * 1_000_000n;
  const text = (key: string, value = HOSTILE) => ({ key, value: { stringValue: value } });
  const messages = (role: string) => JSON.stringify([{ role, parts: [{ type: 'text', content: HOSTILE }] }]);
  const span = (id: string, parent: string, name: string, attributes: readonly object[], isFailed = false) => ({
    traceId: 'bad0bad0bad0bad0bad0bad0bad0bad0',
    spanId: id,
    parentSpanId: parent,
    name: `${name} ${HOSTILE}`,
    startTimeUnixNano: String(startNs),
    endTimeUnixNano: String(startNs + 2_000_000_000n),
    attributes,
    status: isFailed ? { code: 2, message: HOSTILE } : {},
  });
  const usage = [
    { key: 'gen_ai.usage.input_tokens', value: { intValue: '120' } },
    { key: 'gen_ai.usage.output_tokens', value: { intValue: '7' } },
  ];
  const call = [
    text('gen_ai.operation.name', 'chat'),
    text('gen_ai.request.model'),
    text('gen_ai.provider.name'),
    text('gen_ai.response.id'),
  ];
  const content = [text('gen_ai.input.messages', messages('user')), text('gen_ai.output.messages', messages(HOSTILE))];
  const tool = [
    text('gen_ai.operation.name', 'execute_tool'),
    text('gen_ai.tool.name'),
    text('gen_ai.tool.call.arguments', JSON.stringify({ [HOSTILE]: HOSTILE })),
    text('gen_ai.tool.call.result'),
  ];
  const who = [text('gen_ai.agent.name'), text('gen_ai.conversation.id'), text('user.id')];
  const spans = [
    span('00000000000000a1', '', 'invoke_agent', [text('gen_ai.operation.name', 'invoke_agent'), ...who]),
    span('00000000000000a2', '00000000000000a1', 'chat', [...call, ...usage, ...content, ...who]),
    span('00000000000000a3', '00000000000000a1', 'chat', call, true),
    span('00000000000000a4', '00000000000000a1', 'tool', tool, true),
    span('00000000000000a5', '00000000000000ff', 'chat', [...call, ...content]),
  ];
  const scopeSpans = [{ scope: { name: HOSTILE, version: HOSTILE }, spans }];
  return Buffer.from(
    JSON.stringify({ resourceSpans: [{ resource: { attributes: [text('service.name')] }, scopeSpans }] }),
  );
};

const open = async (path: string, width = 1440, colorScheme: 'light' | 'dark' = 'light'): Promise<Page> => {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${path}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`${path}: ${error.message}`));
  page.on('dialog', (dialog) => complaints.push(`${path}: dialog ${dialog.message()}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`${path}: asked ${request.url()}`);
  });
  const answer = await page.goto(origin + path, { waitUntil: 'load' });
  expect(answer?.status(), path).toBe(200);
  return page;
};

const firstRun = async (tenant: string): Promise<string> => {
  const [run] = await engine.store.query<{ run_id: string }>(
    'SELECT run_id FROM runs FINAL WHERE tenant_id = {tenant:String} ORDER BY calls DESC, run_id LIMIT 1',
    { tenant },
  );
  if (run === undefined) throw new Error(`no run of ${tenant}`);
  return run.run_id;
};

describe.skipIf(!canBrowse)('runs explained, in Chromium', () => {
  let run: string;
  let hostileRun: string;
  beforeAll(async () => {
    const hostile = {
      topic: TOPICS.spans,
      key: 'hostile',
      value: hostileExport(),
      headers: { [TENANT_HEADER]: 'hostile' },
    };
    engine = await startCapturedEngine(['strands', 'openllmetry'], [hostile]);
    api = createApi({ host: '127.0.0.1', port: 0, readonlyStore: engine.store }, testContext(engine.store));
    await api.start();
    origin = `http://localhost:${api.address().port}`;
    browser = await launchChromium();
    run = await firstRun('strands');
    hostileRun = await firstRun('hostile');
  }, 240_000);

  afterAll(async () => {
    await browser?.close();
    await api?.drain();
    await engine?.close();
  });

  test('a click on a step says what its call cost, who told it, and how it adds up', async () => {
    const page = await open(`/runs/${await firstRun('openllmetry')}?tenant=openllmetry`);
    await page.locator('a.step', { hasText: 'anthropic.messages.create' }).first().click();
    const card = page.locator('#detail .call');
    await card.waitFor();
    expect(await card.count()).toBe(1);
    expect(await card.locator('.told-by tbody tr').count()).toBe(2);
    expect(await card.locator('tr.believed').textContent()).toContain('believed: it tells more of the buckets apart');
    expect(await card.locator('.call-head').textContent()).toMatch(/^≤ \$0\.\d+/);
    const amounts = (await card.locator('.bill tbody tr td:last-child').allTextContents()).map((text) =>
      Number(text.replace('$', '')),
    );
    const booked = amounts.pop() ?? 0;
    expect(amounts.reduce((sum, amount) => sum + amount, 0)).toBeCloseTo(booked, 9);
    await card.locator('.told-by tr:not(.believed) th a').click();
    await page.locator('#detail h2', { hasText: /^chat / }).waitFor();
    await page.close();
  });

  test('the conversation is told in order: asking, failing, trying again, answering', async () => {
    const page = await open(`/runs/${run}?tenant=strands&view=conversation`);
    const told = (await page.locator('.chat > li').allTextContents()).map((text) => text.replaceAll(/\s+/g, ' '));
    const at = (start: string, from = 0): number =>
      told.findIndex((text, index) => index >= from && text.trim().startsWith(start));
    const asked = at('asks for check_fraud');
    const failed = at('▲ check_fraud failed');
    const again = at('asks for check_fraud', failed);
    expect(
      [at('user'), asked, failed, again].every((index, place, all) => index >= 0 && index > (all[place - 1] ?? -1)),
    ).toBe(true);
    expect(at('check_fraud answered')).toBeGreaterThan(again);
    expect(told.filter((text) => text.includes('I want my money back'))).toHaveLength(1);
    await page.close();
  });

  test('a finding links to a run, a sender to its findings', async () => {
    const page = await open('/telemetry?tenant=openllmetry');
    await page.locator('table.senders a', { hasText: 'two instrumentations' }).first().click();
    expect(page.url()).toContain('#twins');
    await page.locator('#twins td a', { hasText: 'a run' }).click();
    await page.locator('.waterfall').waitFor();
    await page.close();
  });

  test('a session shows its runs on one scale, each a link', async () => {
    const page = await open('/sessions/sess-42?tenant=strands');
    const bars = await page.locator('.session a.step').count();
    expect(bars).toBeGreaterThan(1);
    expect(await page.locator('table.runs tbody tr').count()).toBe(bars);
    await page.locator('.session a.step').first().click();
    await page.locator('.tabs').waitFor();
    expect(await page.locator('.who a', { hasText: 'sess-42' }).getAttribute('href')).toContain('/sessions/sess-42');
    await page.close();
  });

  test('nothing a sender says runs, loads or makes an element', async () => {
    const [step] = await engine.store.query<{ step_id: string }>(
      "SELECT step_id FROM spans WHERE tenant_id = 'hostile' AND step_kind = 'llm' ORDER BY span_id LIMIT 1",
    );
    const session = encodeURIComponent(HOSTILE);
    const runPage = `/runs/${hostileRun}?tenant=hostile`;
    for (const path of [
      runPage,
      `${runPage}&step=${step?.step_id}`,
      `${runPage}&view=conversation`,
      `${runPage}&view=calls`,
      `${runPage}&view=bookings`,
      '/telemetry?tenant=hostile',
      `/sessions/${session}?tenant=hostile`,
    ]) {
      const page = await open(path);
      expect(await page.evaluate('globalThis.pwned === undefined'), path).toBe(true);
      expect(await page.locator('img[src="x"], svg[onload], script:not([src]), [onerror]').count(), path).toBe(0);
      expect(await page.locator('main').textContent(), path).toContain('onerror="globalThis.pwned=1"');
      await page.close();
    }
  });

  test.each([390, 1440])('no page is wider than a window of %i px, whatever stands on it', async (width) => {
    for (const scheme of ['light', 'dark'] as const) {
      for (const path of [
        `/runs/${run}?tenant=strands&view=calls`,
        `/runs/${run}?tenant=strands&view=conversation`,
        `/runs/${hostileRun}?tenant=hostile&view=calls`,
        `/runs/${hostileRun}?tenant=hostile&view=conversation`,
        '/telemetry',
        '/sessions/sess-42?tenant=strands',
      ]) {
        const page = await open(path, width, scheme);
        expect(
          Number(await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')),
          path,
        ).toBeLessThanOrEqual(0);
        await page.close();
      }
    }
  });

  test('no page complained, and none asked anyone else for anything', () => {
    expect(complaints).toEqual([]);
  });
});
