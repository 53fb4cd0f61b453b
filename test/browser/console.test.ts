import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiService, createApi } from '../../services/api/service.ts';
import { createDeferredStore } from '../../services/runtime/store/deferred.ts';
import { startSeededEngine, testContext } from '../support/api.ts';
import { canBrowse, launchChromium } from '../support/chromium.ts';
import type { TestEngine } from '../support/engine.ts';
import { RICH_RUN } from '../support/seed-builders.ts';
import { BUDGET_INCIDENT, FLOW_VIOLATION, OPEN_INCIDENT } from '../support/seed-incidents.ts';

let engine: TestEngine;
let api: ApiService;
let browser: Browser;
let origin: string;
/** What went wrong or went out on any page. */
const complaints: string[] = [];
const foreign: string[] = [];

const open = async (path: string, options: { width?: number; colorScheme?: 'light' | 'dark' } = {}): Promise<Page> => {
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1440, height: 900 },
    colorScheme: options.colorScheme ?? 'light',
  });
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('503')) complaints.push(`${path}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`${path}: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) foreign.push(request.url());
  });
  await page.goto(origin + path, { waitUntil: 'load' });
  return page;
};

// What runs in the page is text: the compiler of this house knows no browser.
const numberOf = async (page: Page, expression: string): Promise<number> => Number(await page.evaluate(expression));
const focused = async (page: Page): Promise<string> =>
  String(await page.evaluate('document.activeElement.textContent'));

const TEXTS = ['--ink', '--quiet', '--accent', '--ok', '--warn', '--error'] as const;
const GROUNDS = ['--paper', '--surface', '--sunken'] as const;

/** Relative luminance of a colour written #rrggbb or #rgb (WCAG 2.2). */
const luminance = (colour: string): number => {
  const hex = colour.length === 4 ? colour.replaceAll(/[0-9a-f]/g, '$&$&') : colour;
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

const contrast = (a: string, b: string): number => {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
};

const serve = async (store: TestEngine['store']): Promise<ApiService> => {
  const service = createApi({ host: '127.0.0.1', port: 0, readonlyStore: store }, testContext(store));
  await service.start();
  return service;
};

describe.skipIf(!canBrowse)('the console in Chromium', () => {
  beforeAll(async () => {
    engine = await startSeededEngine();
    api = await serve(engine.store);
    origin = `http://localhost:${api.address().port}`;
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await api?.drain();
    await engine?.close();
  });

  const PAGES = [
    '/',
    '/runs',
    `/runs/${RICH_RUN}`,
    `/runs/${RICH_RUN}?step=step-0000000000000007`,
    `/runs/${RICH_RUN}?view=conversation`,
    `/runs/${RICH_RUN}?view=calls`,
    `/runs/${RICH_RUN}?view=bookings`,
    '/sessions/session-rich',
    '/telemetry?range=30d',
    `/runs/${RICH_RUN}?view=violations`,
    '/incidents',
    `/incidents/${OPEN_INCIDENT}`,
    `/incidents/${BUDGET_INCIDENT}`,
    '/violations',
    `/violations/${FLOW_VIOLATION}`,
    '/budgets',
    '/budgets?tenant=nobody',
    '/prices',
    '/policies',
    '/pipeline',
    '/connect',
  ];

  test.each([360, 1440, 2560])('no page is wider than a window of %i px', async (width) => {
    const page = await open('/', { width });
    for (const path of PAGES) {
      await page.goto(origin + path, { waitUntil: 'load' });
      const over = await numberOf(page, 'document.documentElement.scrollWidth - window.innerWidth');
      expect(over, path).toBeLessThanOrEqual(0);
    }
    await page.close();
  });

  test('the overview draws spend by model, and says what is under the cursor', async () => {
    const page = await open('/');
    await page.locator('#spend canvas').waitFor();
    const box = await page.locator('#spend .u-over').boundingBox();
    expect(box?.width).toBeGreaterThan(800);
    await page.locator('#spend .u-over').hover({ position: { x: (box?.width ?? 0) * 0.6, y: 60 } });
    await expect.poll(() => page.locator('.tip').textContent()).toMatch(/UTC {2}\$\d/);
    await page.close();
  });

  test('everything is reached and done by keyboard', async () => {
    const page = await open(`/runs/${RICH_RUN}`);
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to content');
    await page.locator('a.step', { hasText: 'web_search' }).focus();
    await page.keyboard.press('ArrowDown');
    expect(await focused(page)).toContain('fetch_page');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#detail h2').textContent()).toBe('execute_tool fetch_page');
    expect(page.url()).toContain('step=step-0000000000000007');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('#split.open').count()).toBe(0);
    await page.goBack();
    await expect.poll(() => page.locator('#detail h2').textContent()).toBe('execute_tool fetch_page');
    await page.close();
  });

  test('a filter is a click, and its state is the address', async () => {
    const page = await open('/runs?range=30d');
    await page.locator('td[data-label="Agent"] a', { hasText: 'planner' }).first().click();
    expect(page.url()).toContain('agent=planner');
    expect(page.url()).toContain('range=30d');
    const agents = await page.locator('td[data-label="Agent"]').allTextContents();
    expect(new Set(agents)).toEqual(new Set(['planner']));
    await page.locator('select[name="tenant"]').selectOption('acme');
    await page.waitForURL(/tenant=acme/);
    expect(page.url()).toContain('agent=planner');
    await page.close();
  });

  test('an id is copied whole by a click', async () => {
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
    const page = await context.newPage();
    await page.goto(`${origin}/runs/${RICH_RUN}`);
    await page.locator('.crumbs button.id').click();
    await expect.poll(() => page.evaluate('navigator.clipboard.readText()')).toBe(RICH_RUN);
    await context.close();
  });

  test('without scripts the same pages work', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${origin}/runs/${RICH_RUN}`);
    await page.locator('a.step', { hasText: 'fetch_page' }).click();
    expect(await page.locator('#detail h2').textContent()).toBe('execute_tool fetch_page');
    await context.close();
  });

  test('the starting page opens by itself once the store is there', async () => {
    const store = createDeferredStore();
    const early = await serve(store);
    const page = await browser.newPage();
    await page.goto(`http://localhost:${early.address().port}/runs`);
    expect(await page.locator('h1').textContent()).toBe('Tachograph is starting');
    store.set(engine.store);
    await page.locator('h1', { hasText: 'Runs' }).waitFor({ timeout: 10_000 });
    await page.close();
    await early.drain();
  });

  test.each(['light', 'dark'] as const)(
    'text on its ground has a contrast of 4.5 or more (%s)',
    async (colorScheme) => {
      const page = await open('/', { colorScheme });
      const tokens = new Map<string, string>();
      for (const name of [...TEXTS, ...GROUNDS]) {
        const value = `getComputedStyle(document.documentElement).getPropertyValue('${name}').trim()`;
        tokens.set(name, String(await page.evaluate(value)));
      }
      const ratios = TEXTS.flatMap((text) =>
        GROUNDS.map((ground) => ({
          pair: `${text} on ${ground}`,
          ratio: contrast(tokens.get(text) ?? '', tokens.get(ground) ?? ''),
        })),
      );
      expect(ratios.filter((found) => !(found.ratio >= 4.5))).toEqual([]);
      await page.close();
    },
  );

  test('no page complained, and none asked anyone else for anything', () => {
    expect(complaints).toEqual([]);
    expect(foreign).toEqual([]);
  });
});
