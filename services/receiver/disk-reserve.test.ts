import { describe, expect, test } from 'vitest';
import { decodeIncidentEvent } from '../../schemas/incident-event.ts';
import { encodeTraces } from '../../schemas/otlp/encode.ts';
import { silentLogger } from '../../test/support/engine.ts';
import { grpcClient, PATHS } from '../../test/support/grpc.ts';
import { GOOD, JSON_TYPE, jsonSpans, post, span, start as startReceiver } from '../../test/support/receiver.ts';
import { TransportError } from '../runtime/errors.ts';
import { createMetrics } from '../runtime/metrics.ts';
import type { Clock, DiskSpace, OutgoingRecord } from '../runtime/ports.ts';
import { createDiskReserve, type DiskReserve, guardAppends } from './disk-reserve.ts';

const MIB = 1024 * 1024;
const RESERVE = 100 * MIB;

/** A disk and a clock moved by hand: `look` gives the watch one second and waits until it has looked. */
const scene = (marked = false) => {
  let free = 1000 * MIB;
  let isMarked = marked;
  let looks = 0;
  let tick = Promise.withResolvers<void>();
  let isLogDown = false;
  const told: OutgoingRecord[] = [];
  const space: DiskSpace = {
    dir: '/data',
    freeBytes: async () => {
      looks += 1;
      if (Number.isNaN(free)) throw new TransportError('LOG_UNAVAILABLE', 'gone', { retryable: true });
      return free;
    },
    isMarked: () => isMarked,
    mark: (isOn) => {
      isMarked = isOn;
    },
  };
  const clock: Clock = {
    nowMs: () => 1_800_000_000_000 + looks,
    sleep: (_ms, signal) =>
      Promise.race([
        tick.promise,
        new Promise<void>((_done, stop) => signal?.addEventListener('abort', () => stop(new Error('stopped')))),
      ]),
  };
  const metrics = createMetrics();
  const reserve: DiskReserve = createDiskReserve(RESERVE, {
    space,
    clock,
    logger: silentLogger,
    metrics,
    tell: async (event) => {
      if (isLogDown) throw new TransportError('LOG_FULL', 'no', { retryable: true });
      told.push(event);
    },
  });
  return {
    reserve,
    metrics,
    isMarked: () => isMarked,
    events: () =>
      told.map(({ value }) => {
        const event = decodeIncidentEvent(value);
        if (event.kind === 'refused') throw new Error(event.detail);
        return `${event.value.kind} ${event.value.source} ${event.value.severity}`;
      }),
    logIsDown: (isDown: boolean) => {
      isLogDown = isDown;
    },
    look: async (freeMib: number) => {
      free = freeMib * MIB;
      const before = looks;
      const waiting = tick;
      tick = Promise.withResolvers();
      waiting.resolve();
      while (looks === before) await new Promise((done) => setImmediate(done));
      await new Promise((done) => setImmediate(done));
    },
  };
};

describe('a disk that runs full', () => {
  test('stops ingest below the reserve, and lets it on only with room to spare', async () => {
    const { reserve, look, events, metrics, isMarked } = scene();
    await reserve.start();
    expect([reserve.problem(), reserve.health().state]).toEqual(['', 'ok']);
    await look(100);
    expect(reserve.problem()).toBe('');
    await look(99);
    expect(reserve.problem()).toMatch(/^the disk of \/data is nearly full: 99 MiB free/);
    expect([reserve.health().state, isMarked()]).toEqual(['degraded', true]);
    expect(await metrics.expose()).toMatch(/^tacho_ingest_stopped 1$/m);
    for (const between of [101, 115, 99, 115]) await look(between);
    expect(reserve.problem()).toContain('115 MiB free');
    await look(116);
    expect([reserve.problem(), isMarked()]).toEqual(['', false]);
    expect(await metrics.expose()).toMatch(/^tacho_ingest_stopped 0$/m);
    expect(events()).toEqual(['observed disk critical', 'cleared disk critical']);
    await reserve.drain();
  });

  test('is told once the log takes it, and closed by the next process if this one did not live to see it', async () => {
    const first = scene();
    first.logIsDown(true);
    await first.reserve.start();
    await first.look(5);
    expect(first.events()).toEqual([]);
    first.logIsDown(false);
    await first.look(5);
    await first.look(5);
    expect(first.events()).toEqual(['observed disk critical']);
    await first.reserve.drain();
    const next = scene(first.isMarked());
    await next.reserve.start();
    expect(next.reserve.problem()).toBe('');
    await next.look(1000);
    expect(next.events()).toEqual(['cleared disk critical']);
    await next.reserve.drain();
  });

  test('that does not tell its space changes nothing', async () => {
    const { reserve, look } = scene();
    await reserve.start();
    await look(Number.NaN);
    expect(reserve.problem()).toBe('');
    await look(1);
    await look(Number.NaN);
    expect(reserve.problem()).not.toBe('');
    await reserve.drain();
  });
});

describe('senders of a system whose disk is nearly full', () => {
  test('are told to come back, over HTTP and gRPC, and are heard as soon as there is room', async () => {
    let problem = 'the disk is nearly full';
    const { url, grpcPort, receiver, log } = await startReceiver({ stopped: () => problem });
    const send = () => post(`${url}/v1/traces`, jsonSpans(GOOD), JSON_TYPE);
    const refused = await send();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.text()).toContain('the disk is nearly full');
    const client = grpcClient(`127.0.0.1:${grpcPort}`);
    const overGrpc = await client.call(PATHS.traces, encodeTraces([span(0)]));
    expect(overGrpc.code).toBe(14);
    expect(overGrpc.retrySeconds).toBeGreaterThan(0);
    client.close();
    expect(receiver.health()).toEqual({ state: 'degraded', detail: 'the disk is nearly full' });
    problem = '';
    expect((await send()).status).toBe(200);
    expect((await log.ranges('otlp_spans')).reduce((sum, { end }) => sum + end, 0)).toBe(1);
    expect(receiver.health().state).toBe('ok');
  });

  test('what services write of what was taken is still written', async () => {
    const { log } = await startReceiver();
    await log.ensureTopics([{ topic: 'agent_steps', partitions: 1, retentionMs: 1e9, recordBytesMax: 1e6 }]);
    const guarded = guardAppends(log, ['otlp_spans', 'otlp_logs'], () => 'full');
    const record = (topic: string) => ({ topic, key: null, value: new Uint8Array(1) });
    await expect(guarded.append([record('agent_steps'), record('otlp_spans')])).rejects.toMatchObject({
      code: 'LOG_FULL',
      retryable: true,
    });
    await guarded.append([record('agent_steps')]);
    expect(await log.ranges('agent_steps')).toEqual([{ partition: 0, start: 0, end: 1 }]);
  });
});
