import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { frame, type GrpcAnswer, type GrpcClient, grpcClient, PATHS, rawConnection } from '../support/grpc.ts';
import { post, provesAlive, untilPassed } from '../support/hostile.ts';
import { span } from '../support/receiver.ts';
import { createSite, runTacho, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

const MIB = 1024 * 1024;
const SENDERS = 8;
const REQUESTS_EACH = 4;
const SPANS_EACH = 250;
const UNAVAILABLE = 14;

/** Request `n` of a sender: some 300 KiB, traces of its own. */
const requestOf = (sender: number, n: number): Uint8Array =>
  encodeTraces(
    Array.from({ length: SPANS_EACH }, (_, i) =>
      span((sender * REQUESTS_EACH + n) * SPANS_EACH + i, {
        attributes: new Map<string, string>([
          ['note', `${sender}/${n}/${i} `.repeat(100)],
          ['gen_ai.operation.name', 'chat'],
          ['gen_ai.request.model', 'gpt-4o'],
        ]),
      }),
    ),
  );

describe('eight senders against a receiver with little room', () => {
  let site: Site;
  let up: Tacho;
  beforeAll(async () => {
    site = await createSite({ TACHO_RECEIVER_IN_FLIGHT_BYTES_MAX: String(MIB) });
    up = startTacho(site, ['up']);
    await untilReady(site, up);
  });
  afterAll(async () => {
    up.kill('SIGTERM');
    await up.exited;
    site.remove();
  });

  /** Sends until taken, coming back when RetryInfo says so. Resolves to every answer. */
  const sendAll = async (client: GrpcClient, sender: number): Promise<readonly GrpcAnswer[]> => {
    const answers: GrpcAnswer[] = [];
    for (let n = 0; n < REQUESTS_EACH; n++) {
      for (;;) {
        const answer = await client.call(PATHS.traces, requestOf(sender, n), { 'x-tacho-tenant': 'grpc' });
        answers.push(answer);
        if (answer.retrySeconds === null) break;
        await delay(answer.retrySeconds * 1000);
      }
    }
    return answers;
  };

  test('each refused call says when to come back; who does so ends with the rows of HTTP, none lost or doubled', async () => {
    // Nine tenths of the room are held by a call that does not end, until every sender was turned away once.
    const holder = rawConnection(Number(new URL(site.grpc).port));
    const held = frame(Buffer.alloc(2 * MIB)).subarray(0, 0.9 * MIB);
    const holding = holder.call({ chunks: [held], isEnded: false });
    await until('the room is held', async () => {
      const exposed = await (await fetch(`${site.api}/metrics`)).text();
      return /in_flight_bytes 9\d{5}/.test(exposed) ? true : null;
    });
    const clients = Array.from({ length: SENDERS }, (_, sender) =>
      grpcClient(new URL(site.grpc).host, sender % 2 === 0 ? {} : { 'grpc.default_compression_algorithm': 2 }),
    );
    const sending = Promise.all(clients.map(sendAll));
    await until('every sender was refused', async () => {
      const exposed = await (await fetch(`${site.api}/metrics`)).text();
      const refused = /requests_total{protocol="grpc",signal="spans",status="14"} (\d+)/.exec(exposed)?.[1];
      return Number(refused ?? 0) >= SENDERS ? true : null;
    });
    holder.session.destroy();
    await holding;
    const answers = (await sending).flat();
    for (const client of clients) client.close();

    const refused = answers.filter((answer) => answer.code !== 0);
    expect(refused.length).toBeGreaterThanOrEqual(SENDERS);
    for (const { code, status, retrySeconds } of refused) {
      expect([code, status?.code]).toEqual([UNAVAILABLE, UNAVAILABLE]);
      expect(retrySeconds).toBeGreaterThan(0);
    }
    const taken = answers.filter((answer) => answer.code === 0);
    expect(taken.length).toBe(SENDERS * REQUESTS_EACH);

    const positions = taken.map((answer) => answer.position);
    const headers = { 'content-type': 'application/x-protobuf', 'x-tacho-tenant': 'http' };
    for (let sender = 0; sender < SENDERS; sender++)
      for (let n = 0; n < REQUESTS_EACH; n++) {
        const answer = await post(site, requestOf(sender, n), headers);
        expect(answer.status).toBe(200);
        positions.push(answer.position);
      }
    for (const position of positions) await untilPassed(site, position);

    const rows = await sql<Record<string, string>>(
      site,
      `SELECT tenant_id, count() AS rows, uniqExact(trace_id) AS traces, sum(cityHash64(trace_id, span_id, name, ts,
              duration_ns, step_kind, request_model, service, toString(attributes), toString(flags), vantage)) AS content
       FROM spans WHERE tenant_id IN ('grpc', 'http') GROUP BY tenant_id ORDER BY tenant_id`,
    );
    const [grpc, http] = rows;
    expect(grpc?.['rows']).toBe(String(SENDERS * REQUESTS_EACH * SPANS_EACH));
    expect({ ...grpc, tenant_id: '' }).toEqual({ ...http, tenant_id: '' });
    const booked = await until('every call is booked', async () => {
      const found = await sql<Record<string, string>>(
        site,
        `SELECT tenant_id, sum(calls) AS calls FROM ledger_entries WHERE tenant_id IN ('grpc', 'http') GROUP BY tenant_id`,
      );
      return found.length === 2 && found.every((row) => row['calls'] === grpc?.['rows']) ? found : null;
    });
    expect(booked.length).toBe(2);
    expect(await runTacho(site, ['audit'])).toMatchObject({ code: 0 });
  });

  test('hostile callers of the running system leave it standing', async () => {
    const { call, session } = rawConnection(Number(new URL(site.grpc).port));
    const noise = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 97 + 255) % 256);
    for (const chunks of [[noise], [frame(noise)], [frame(noise, true)], [noise.subarray(0, 3)], []])
      expect((await call({ chunks })).fields['grpc-status']).toBe('3');
    const open = Array.from({ length: 50 }, () => call({ chunks: [frame(noise).subarray(0, 4000)], isEnded: false }));
    session.destroy();
    await Promise.all(open);
    await provesAlive(site);
  });

  test('--exit-when-idle sees senders over gRPC: it ends once what they sent is stored', async () => {
    const place = await createSite();
    const idle = startTacho(place, ['up', '--exit-when-idle']);
    await untilReady(place, idle);
    const client = grpcClient(new URL(place.grpc).host);
    expect((await client.call(PATHS.traces, requestOf(0, 0), { 'x-tacho-tenant': 'late' })).code).toBe(0);
    client.close();
    expect(await idle.exited).toBe(0);
    const { output } = await runTacho(place, ['query', 'SELECT count() FROM spans FORMAT CSV']);
    expect(output).toBe(`${SPANS_EACH}\n`);
    place.remove();
  });
});
