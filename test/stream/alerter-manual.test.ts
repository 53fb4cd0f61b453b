import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readBudgets } from '../../services/alerter/budgets/budget-file.ts';
import { stepIncident } from '../../services/alerter/fold.ts';
import { emptyMemory } from '../../services/alerter/incident.ts';
import { contextOf, eventOf } from '../../services/alerter/incident-fixture.ts';
import { webhook } from '../../services/alerter/sinks/webhook.ts';
import { CONFIG } from '../../services/runtime/config-schema.ts';
import { until } from '../support/tacho.ts';

const manual = readFileSync(new URL('../../docs/alerts.md', import.meta.url), 'utf8');
const blocks = (language: string): readonly string[] =>
  [...manual.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text]) => text ?? '');

const SECRET = `whsec_${Buffer.from('a key of 24 bytes or so.').toString('base64')}`;

const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
};

describe('docs/alerts.md', () => {
  const [budgets, alerts] = blocks('yaml');

  test('its budgets are taken as they stand', () => {
    const read = readBudgets('alerts.md', budgets ?? '');
    expect(read).toMatchObject({ kind: 'ok', budgets: [{ id: 'support-bots', limit: 1_250_000_000_000_000n }] });
  });

  test('its sinks are taken as they stand', () => {
    expect(CONFIG.parse(parse(alerts ?? '')).alerts.sinks.map(({ name }) => name)).toEqual(['oncall', 'team']);
  });
});

describe('the receiver in docs/alerts.md', () => {
  const dir = mkdtempSync(join(tmpdir(), 'receiver-'));
  let child: ChildProcess;
  let port = 0;
  let shown = '';
  beforeAll(async () => {
    port = await freePort();
    writeFileSync(join(dir, 'receiver.mjs'), blocks('js')[0] ?? '');
    child = spawn(process.execPath, [join(dir, 'receiver.mjs')], {
      env: { HOOK_SECRET: SECRET, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout?.on('data', (chunk: Buffer) => {
      shown += chunk.toString('utf8');
    });
    await until('it listens', async () => {
      const answer = await fetch(`http://127.0.0.1:${port}`, { method: 'POST' }).catch(() => null);
      return answer;
    });
  });
  afterAll(() => {
    child.kill();
    rmSync(dir, { recursive: true });
  });

  const post = async (atMs: number, change: (text: string) => string = (text) => text): Promise<number> => {
    const { state } = stepIncident(emptyMemory('incident-1'), [eventOf({ title: 'Ü ber budget' })], contextOf(1));
    const [notice] = state.notices;
    if (notice === undefined) throw new Error('a notice is expected');
    const request = webhook.buildRequest(
      { notice, delivery_id: 'delivery-1', base_url: 'https://tacho.example' },
      { name: 'oncall', kind: 'webhook', url: `http://127.0.0.1:${port}/`, secret: SECRET, min_severity: 'low' },
      atMs,
    );
    const { url, headers, body } = request;
    return (await fetch(url, { method: 'POST', headers, body: change(body) })).status;
  };

  test('takes what is ours, shows it once, and refuses what was altered or is old', async () => {
    expect(await post(Date.now())).toBe(204);
    expect(await post(Date.now())).toBe(204);
    expect(await post(Date.now(), (body) => body.replace('medium', 'info'))).toBe(401);
    expect(await post(Date.now() - 3_600_000)).toBe(401);
    expect(shown).toBe('Ü ber budget\n');
  });
});
