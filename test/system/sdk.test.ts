import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSite, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

const program = join(import.meta.dirname, '..', 'support', 'sdk-program.ts');

const runProgram = async (encoding: string, endpoint: string): Promise<number | null> => {
  const child = spawn(process.execPath, [program, encoding, endpoint, encoding], { stdio: 'inherit' });
  return new Promise((done) => {
    child.once('exit', (code) => done(code));
  });
};

describe('a program with @opentelemetry/sdk-node and its stock exporters', () => {
  let site: Site;
  let up: Tacho;
  beforeAll(async () => {
    site = await createSite();
    up = startTacho(site, ['up']);
    await untilReady(site, up);
  });
  afterAll(async () => {
    up.kill('SIGTERM');
    await up.exited;
    site.remove();
  });

  test('protobuf, JSON and gRPC arrive equal, are priced, and keep their tree', async () => {
    const rowsOf = async (tenant: string) => {
      expect(await runProgram(tenant, tenant === 'grpc' ? site.grpc : site.otlp)).toBe(0);
      await until(`rows of ${tenant}`, async () =>
        (await sql(site, `SELECT 1 FROM spans WHERE tenant_id = '${tenant}'`)).length === 5 ? true : null,
      );
      return sql<Record<string, unknown>>(
        site,
        `SELECT name, step_kind, span_kind, service, agent_name, session_id, tool_name, tool_call_id, provider, request_model,
                response_model, response_id, reported_input_tokens, reported_output_tokens, reported_cache_read_tokens, status,
                error_message, signal, event_name, attributes, mapFilter((k, v) -> NOT startsWith(k, 'process.'), resource) AS resource, parent_span_id = '' AS is_root
         FROM spans WHERE tenant_id = '${tenant}' ORDER BY name, response_id`,
      );
    };
    const proto = await rowsOf('proto');
    expect(proto.map((row) => row['step_kind'])).toEqual(expect.arrayContaining(['agent', 'llm', 'llm', 'tool']));
    expect(await rowsOf('json')).toEqual(proto);
    expect(await rowsOf('grpc')).toEqual(proto);

    for (const tenant of ['proto', 'json', 'grpc']) {
      const booked = await until(`bookings of ${tenant}`, async () => {
        const rows = await sql<Record<string, unknown>>(
          site,
          `SELECT sum(calls) AS calls, sum(input_tokens) AS input, sum(cache_read_tokens) AS cache_read, sum(output_tokens) AS output, sum(cost_usd) > 0 AS is_priced
           FROM ledger_entries WHERE tenant_id = '${tenant}' HAVING calls >= 2`,
        );
        return rows[0] ?? null;
      });
      expect(booked).toMatchObject({ calls: '2', input: '3178', cache_read: '1024', output: '94', is_priced: 1 });
    }
  });
});
