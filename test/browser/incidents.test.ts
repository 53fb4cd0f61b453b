import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PolicyViolation } from '../../schemas/policy-violation.ts';
import { observationOf, recordOf } from '../../services/alerter/violation-events.ts';
import { type ApiService, createApi } from '../../services/api/service.ts';
import type { MemoryEventLog } from '../../services/runtime/event-log/memory.ts';
import type { StreamService } from '../../services/runtime/stream/service.ts';
import { startSeededEngine, testContext } from '../support/api.ts';
import { canBrowse, launchChromium } from '../support/chromium.ts';
import type { TestEngine } from '../support/engine.ts';
import { startIncidentFold } from '../support/incident-fold.ts';
import { createPipelineLog } from '../support/pipeline.ts';
import { HOSTILE, RICH_RUN } from '../support/seed-builders.ts';
import { FLOW_VIOLATION, OPEN_INCIDENT, RESOLVED_INCIDENT } from '../support/seed-incidents.ts';
import { until } from '../support/tacho.ts';
import { violationOf } from '../support/violation.ts';

let engine: TestEngine;
let log: MemoryEventLog;
let alerter: StreamService;
let api: ApiService;
let browser: Browser;
let origin: string;
/** What went wrong, what ran that must not, and what went out, on any page. */
const complaints: string[] = [];

const watch = (page: Page): Page => {
  page.on('console', (message) => {
    // A refused action is answered 409: the browser says so, and the page says why.
    if (message.type() === 'error' && !message.text().includes('409')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) complaints.push(`asked ${request.url()}`);
  });
  return page;
};

const open = async (path: string, context?: BrowserContext): Promise<Page> => {
  const page = watch(await (context ?? browser).newPage());
  await page.goto(origin + path, { waitUntil: 'load' });
  return page;
};

/** Opens an incident as the alerter does; answers its path once the API knows it. */
const incident = async (id: string, change: Partial<PolicyViolation> = {}): Promise<string> => {
  const event = observationOf(violationOf(id, Date.now(), change));
  if (event === null) throw new Error('a rule in mode monitor opens nothing');
  await log.append([recordOf(event)]);
  const url = `${origin}/api/v1/incidents/${event.incident_id}`;
  await until('the incident is open', async () => (await fetch(url)).ok || null, 20_000);
  return `/incidents/${event.incident_id}`;
};

const focusedText = async (page: Page): Promise<string> =>
  String(await page.evaluate('document.activeElement.textContent'));

describe.skipIf(!canBrowse)('incidents and violations in Chromium', () => {
  beforeAll(async () => {
    engine = await startSeededEngine();
    log = await createPipelineLog();
    alerter = await startIncidentFold(log, engine.store);
    api = createApi({ host: '127.0.0.1', port: 0, readonlyStore: engine.store }, testContext(engine.store, { log }));
    await api.start();
    origin = `http://localhost:${api.address().port}`;
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser?.close();
    await api?.drain();
    await alerter?.drain();
    await engine?.close();
  });

  test('an incident is acknowledged by keyboard, and the page shows who has it without being left', async () => {
    const page = await open(await incident('k1', { agent_name: 'keyboard' }));
    await page.locator('input[name="actor"]').focus();
    await page.keyboard.type('grace');
    await page.keyboard.press('Enter'); // must press no button
    await page.keyboard.press('Tab');
    await page.keyboard.type(`mine ${HOSTILE}`);
    await page.keyboard.press('Tab');
    expect(await focusedText(page)).toBe('Acknowledge');
    expect(await page.locator('.state-open').count()).toBeGreaterThan(0);
    await page.keyboard.press('Enter');
    await page.locator('.state-acknowledged').first().waitFor();
    expect(await page.locator('.stats').textContent()).toContain('grace');
    expect(await page.locator('.timeline').first().textContent()).toContain(`mine ${HOSTILE}`);
    await expect.poll(() => focusedText(page)).toContain('Acknowledge: Done');
    expect(await page.locator('button[value="acknowledge"]').count()).toBe(0);
    expect(await page.locator('input[name="actor"]').inputValue()).toBe('grace');
    await page.close();
  });

  test('a comment without words is not sent; one with words stands in the timeline, and the field is empty again', async () => {
    const page = await open(await incident('k2', { agent_name: 'comments' }));
    await page.getByRole('button', { name: 'Comment' }).click();
    expect(await page.locator('[data-said]').textContent()).toContain('Write a comment first');
    expect(await page.evaluate('document.activeElement.name')).toBe('comment');
    await page.keyboard.type('seen before');
    await page.getByRole('button', { name: 'Comment' }).click();
    await page.locator('.timeline', { hasText: 'seen before' }).waitFor();
    expect(await page.locator('textarea[name="comment"]').inputValue()).toBe('');
    await page.close();
  });

  test('what somebody else did meanwhile is said, not overwritten', async () => {
    const path = await incident('k3', { agent_name: 'twice' });
    const [first, second] = [await open(path), await open(path)];
    await first.getByRole('button', { name: 'Resolve' }).click();
    await first.locator('.state-resolved').first().waitFor();
    await second.getByRole('button', { name: 'Acknowledge' }).click();
    await expect.poll(() => second.locator('[data-said]').textContent()).toContain('was resolved by local');
    await first.close();
    await second.close();
  });

  test('a silence says until when', async () => {
    const page = await open(await incident('k4', { agent_name: 'silent' }));
    await page.locator('select[name="minutes-silence"]').selectOption('480');
    await page.getByRole('button', { name: 'Silence for' }).click();
    await page.locator('.stats', { hasText: 'silent until' }).waitFor();
    await page.close();
  });

  test('a violation is excepted with a reason, and the answer says what that does not do', async () => {
    const page = await open(`/violations/${FLOW_VIOLATION}`);
    await page.getByRole('button', { name: 'Except for' }).click();
    expect(await page.locator('[data-said]').textContent()).toContain('Write a reason first');
    await page.locator('textarea[name="comment"]').fill(`agreed ${HOSTILE}`);
    await page.getByRole('button', { name: 'Except for' }).click();
    await expect.poll(() => page.locator('[data-said]').textContent()).toContain('nothing is held back');
    expect(await page.locator('.timeline').textContent()).toContain(`agreed ${HOSTILE}`);
    await page.close();
  });

  test('evidence shows the path with its steps linked, and what was judged, as text', async () => {
    const page = await open(`/violations/${FLOW_VIOLATION}`);
    expect(await page.locator('.path li').count()).toBe(3);
    expect(await page.locator('.evidence').textContent()).toContain('paste.example.net');
    expect(await page.locator('.evidence').textContent()).toContain(HOSTILE);
    expect(await page.locator('.evidence img, .evidence script').count()).toBe(0);
    await page.goto(`${origin}/runs/${RICH_RUN}?view=violations`);
    await page.getByRole('link', { name: 'its step' }).last().click();
    await page.waitForURL(/step=step-0000000000000011/);
    expect(await page.locator('#detail').textContent()).toContain('untrusted page reached a write');
    expect(await page.locator('a.step .broken').count()).toBe(3);
    expect(await page.locator('svg.bar svg.mark').count()).toBe(3);
    await page.close();
  });

  test('without scripts everything can be read, and nothing is offered that would not work', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await open(`/incidents/${OPEN_INCIDENT}`, context);
    expect(await page.locator('.timeline').first().textContent()).toContain('Looking at it.');
    expect(await page.locator('form[data-act]').isVisible()).toBe(false);
    expect(await page.locator('noscript, .act').last().textContent()).toContain('POST /api/v1/incidents/');
    await page.goto(`${origin}/incidents/${RESOLVED_INCIDENT}`);
    expect(await page.locator('h1').textContent()).toContain('the same call five times');
    await context.close();
  });

  test('filters are clicks, and their state is the address', async () => {
    const page = await open('/violations');
    await page.locator('td[data-label="What"] a.rule', { hasText: 'loop' }).first().click();
    expect(page.url()).toContain('rule=loop');
    expect(await page.locator('table.listed tbody tr').count()).toBe(8);
    await page.locator('.chip.on', { hasText: 'loop' }).click();
    expect(page.url()).not.toContain('rule=');
    await page.close();
  });

  test('nothing of what agents wrote ran, no page complained, none asked anyone else', () => {
    expect(complaints).toEqual([]);
  });
});
