import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashToken } from '../../services/runtime/access-tokens.ts';
import { attr, llmOf, post, requestOf, untilPassed } from '../support/hostile.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, untilReady } from '../support/tacho.ts';

/** An address of this machine that is not loopback: who calls it comes from elsewhere. */
const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const TOKENS = [
  { name: 'acme-agent', tenant: 'acme', vantage: 'agent', grants: ['ingest'] },
  { name: 'acme-gateway', tenant: 'acme', vantage: 'gateway', grants: ['ingest', 'read'] },
  { name: 'acme-reader', tenant: 'acme', vantage: 'agent', grants: ['read'] },
  { name: 'acme-auditor', tenant: 'acme', vantage: 'agent', grants: ['read', 'content'] },
  { name: 'operator', tenant: null, vantage: 'operator', grants: ['read', 'content', 'operate', 'admin'] },
] as const;
type TokenName = (typeof TOKENS)[number]['name'];

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** A request with any header, Host and Origin included: fetch would not send them. */
const call = (url: string, headers: Readonly<Record<string, string>> = {}, body?: string): Promise<Reply> =>
  new Promise((done, fail) => {
    const sent = request(url, { method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        done({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    sent.on('error', fail);
    sent.end(body);
  });

const bearer = (name: TokenName | 'stranger'): Readonly<Record<string, string>> => ({
  authorization: `Bearer secret-of-${name}`,
});
const JSON_TYPE = { 'content-type': 'application/json' };
const SECRET_TEXT = 'the merger closes on Friday';

describe('an address other than loopback', () => {
  test.each(['0.0.0.0', '::', '203.0.113.9'])(
    'is refused without tokens, before anything listens: %s',
    async (host) => {
      const site = await createSite({ TACHO_RECEIVER_HOST: host, TACHO_API_HOST: host });
      for (const command of ['up', 'receiver', 'api']) {
        const { code, output } = await runTacho(site, [command]);
        expect(output).toContain('receiver.host');
        expect(output).toContain('access.tokens_file');
        expect(code).toBe(2);
      }
      site.remove();
    },
  );

  test('is refused with an empty list of tokens, and with a list that is none', async () => {
    for (const [content, told] of [
      ['[]', 'receiver.host'],
      ['{', 'access.tokens_file'],
      ['[{"name":"x","sha256":"short"}]', 'sha256'],
    ] as const) {
      const site = await createSite({ TACHO_RECEIVER_HOST: '0.0.0.0' });
      writeFileSync(join(site.dir, 'tokens.json'), content);
      const up = startTacho(site, ['up'], { TACHO_ACCESS_TOKENS_FILE: join(site.dir, 'tokens.json') });
      expect(await up.exited).toBe(2);
      expect(up.output()).toContain(told);
      site.remove();
    }
  });
});

describe.runIf(outside !== undefined)('callers from elsewhere', () => {
  let site: Site;
  let up: Tacho;
  /** The same doors, by the address that is not loopback. */
  let otlp: string;
  let api: string;
  const span = llmOf({}, [
    attr('gen_ai.input.messages', JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: SECRET_TEXT }] }])),
  ]);
  const foreign = llmOf();

  beforeAll(async () => {
    const host = outside ?? '';
    site = await createSite({
      ...{ TACHO_RECEIVER_HOST: '0.0.0.0', TACHO_API_HOST: '0.0.0.0', TACHO_ACCESS_ALLOWED_HOSTS: host },
    });
    const file = join(site.dir, 'tokens.json');
    const hashed = TOKENS.map((token) => ({ ...token, sha256: hashToken(`secret-of-${token.name}`) }));
    writeFileSync(file, JSON.stringify(hashed));
    up = startTacho(site, ['up'], { TACHO_ACCESS_TOKENS_FILE: file });
    await untilReady(site, up);
    [otlp, api] = [site.otlp.replace('127.0.0.1', host), site.api.replace('127.0.0.1', host)];
    const own = await post({ ...site, otlp }, requestOf([span]), bearer('acme-gateway'));
    const other = await post(site, requestOf([foreign]), { 'x-tacho-tenant': 'other' });
    expect([own.status, other.status]).toEqual([200, 200]);
    await untilPassed(site, `${own.position},${other.position}`);
  });
  afterAll(async () => {
    up.kill('SIGKILL');
    await up.exited;
    site.remove();
  });

  const send = (headers: Readonly<Record<string, string>>) =>
    call(`${otlp}/v1/traces`, { ...JSON_TYPE, ...headers }, requestOf([llmOf()]));

  test('send nothing without a token, with a wrong one, for another tenant or without the grant', async () => {
    expect((await send({})).status).toBe(401);
    expect((await send(bearer('stranger'))).status).toBe(401);
    expect((await send({ authorization: 'Basic c2VjcmV0' })).status).toBe(401);
    expect((await send({ ...bearer('acme-agent'), 'x-tacho-tenant': 'other' })).status).toBe(403);
    expect((await send(bearer('acme-reader'))).status).toBe(403);
    expect((await send(bearer('acme-agent'))).status).toBe(200);
  });

  test('are who their token says, whatever they claim', async () => {
    const rows = await sql(site, `SELECT tenant_id, vantage FROM spans WHERE trace_id = '${span.traceId}'`);
    expect(rows).toEqual([{ tenant_id: 'acme', vantage: 'gateway' }]);
  });

  test('read nothing without a token, and pages nothing either', async () => {
    for (const path of [
      '/',
      '/runs',
      '/pipeline',
      '/api/v1/runs',
      '/api/v1/costs?group_by=model',
      '/api/v1/pipeline',
    ]) {
      expect((await call(api + path)).status, path).toBe(401);
      expect((await call(api + path, bearer('stranger'))).status, path).toBe(401);
      expect((await call(api + path, bearer('acme-agent'))).status, path).toBe(403);
      expect((await call(api + path, bearer('acme-reader'))).status, path).toBe(200);
    }
  });

  test('see their own tenant only', async () => {
    const runs = await call(`${api}/api/v1/runs`, bearer('acme-reader'));
    expect(runs.text).toContain(span.traceId);
    expect(runs.text).not.toContain(foreign.traceId);
    for (const path of [`/api/v1/runs/${foreign.traceId}`, `/runs/${foreign.traceId}`])
      expect((await call(api + path, bearer('acme-reader'))).status, path).toBe(404);
    for (const path of [
      '/api/v1/runs?tenant=other',
      '/runs?tenant=other',
      `/api/v1/runs/${foreign.traceId}?tenant=other`,
    ])
      expect((await call(api + path, bearer('acme-reader'))).status, path).toBe(403);
    expect((await call(`${api}/api/v1/runs`, bearer('operator'))).text).toContain(foreign.traceId);
  });

  test('read prompts with the grant content only, and each reading is logged', async () => {
    const steps = `${api}/api/v1/runs/${span.traceId}/steps?content=true`;
    const refused = await call(steps, bearer('acme-reader'));
    expect(refused.status).toBe(403);
    const paths = [
      steps,
      steps.replace('true', 'false'),
      `${api}/runs/${span.traceId}`,
      `${api}/api/v1/runs/${span.traceId}`,
    ];
    for (const path of paths) expect((await call(path, bearer('acme-reader'))).text, path).not.toContain(SECRET_TEXT);
    const shown = await call(steps, bearer('acme-auditor'));
    expect([shown.status, shown.text]).toEqual([200, expect.stringContaining(SECRET_TEXT)]);
    const logged = await sql(site, "SELECT actor, tenant_id FROM access_log WHERE subject LIKE '%' ORDER BY at");
    expect(logged).toEqual([{ actor: 'acme-auditor', tenant_id: 'acme' }]);
  });

  test('ask SQL, which sees all, only with every tenant and the grant content', async () => {
    const ask = (name: TokenName) =>
      call(`${api}/api/v1/sql`, { ...JSON_TYPE, ...bearer(name) }, JSON.stringify({ query: 'SELECT 1' }));
    expect((await ask('acme-reader')).status).toBe(403);
    expect((await ask('acme-auditor')).status).toBe(403);
    expect((await ask('operator')).status).toBe(200);
  });

  test('are refused under a foreign Host or Origin, with a good token too', async () => {
    const token = bearer('acme-reader');
    for (const url of [`${api}/api/v1/runs`, `${api}/runs`, `${site.api}/api/v1/runs`]) {
      expect((await call(url, { ...token, host: 'evil.example' })).status, url).toBe(403);
      expect((await call(url, { ...token, host: 'localhost.evil.example' })).status, url).toBe(403);
      expect((await call(url, { ...token, origin: 'https://evil.example' })).status, url).toBe(403);
      expect((await call(url, { ...token, origin: 'null' })).status, url).toBe(403);
    }
    expect((await send({ ...bearer('acme-agent'), host: 'evil.example' })).status).toBe(403);
    expect((await send({ ...bearer('acme-agent'), origin: 'https://evil.example' })).status).toBe(403);
  });

  test('are not taken for callers of this machine because a proxy on it speaks for them', async () => {
    expect((await call(`${site.api}/api/v1/runs`)).status).toBe(200);
    expect((await call(`${site.api}/api/v1/runs`, { 'x-forwarded-for': '198.51.100.7' })).status).toBe(401);
    expect((await call(`${site.api}/api/v1/runs`, { forwarded: 'for=198.51.100.7' })).status).toBe(401);
  });

  test('do not reach the engine: it listens on loopback', async () => {
    await expect(call(`${site.clickhouse.replace('127.0.0.1', outside ?? '')}/ping`)).rejects.toThrow('ECONNREFUSED');
  });
});
