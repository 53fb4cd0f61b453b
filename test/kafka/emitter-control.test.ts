import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ControlListener, type ControlRequest, onControl } from '../../emitter/src/control.ts';
import { type ControlEvent, controlKey, encodeControlEvent } from '../../schemas/control-event.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { createApi } from '../../services/api/service.ts';
import type { EventLog } from '../../services/runtime/ports.ts';
import { testContext } from '../support/api.ts';
import { startTestEngine } from '../support/engine.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { openLog, until } from './kit.ts';

const canRestart = kafkaAvailable() && !process.env['TACHO_KAFKA_BROKERS'];
const RUN = 'ab'.repeat(16);
const PATIENCE_MS = 120_000;

let ids = 0;
const eventOf = (change: Partial<ControlEvent> = {}): ControlEvent => {
  ids += 1;
  const ts = Date.now() * 1000;
  return {
    ...{ event_id: `event-${ids}`, ts, tenant_id: 'acme', action: 'kill', target_kind: 'agent', target_id: 'triage' },
    ...{ reason: null, requested_by: 'dana', expires_at: ts + 3_600_000_000 },
    ...change,
  };
};

describe.skipIf(!canRestart)('requests to kill, pause or resume', () => {
  let broker: KafkaBroker;
  let log: EventLog;
  const listeners: ControlListener[] = [];
  const ask = async (...events: readonly ControlEvent[]): Promise<void> => {
    await log.append(
      events.map((event) => ({ topic: TOPICS.controls, key: controlKey(event), value: encodeControlEvent(event) })),
    );
  };
  const listen = (source: Parameters<typeof onControl>[0]): { heard: ControlRequest[]; listener: ControlListener } => {
    const heard: ControlRequest[] = [];
    const filter = { agents: ['triage'], workflows: ['nightly'], isRun: (runId: string) => runId === RUN };
    const listener = onControl({ tenant: 'acme', ...source }, filter, (request) => {
      heard.push(request);
      throw new Error('a handler of somebody');
    });
    listeners.push(listener);
    return { heard, listener };
  };
  const idsOf = (heard: readonly ControlRequest[]): readonly string[] => heard.map(({ eventId }) => eventId);

  beforeAll(async () => {
    broker = await startKafkaBroker();
    log = openLog(broker.brokers, { sessionTimeoutMs: 10_000 });
    const more = { partitions: 3, retentionMs: 86_400_000, recordBytesMax: 1_000_000 };
    await log.ensureTopics([TOPICS.controls, TOPICS.actions].map((topic) => ({ topic, ...more })));
  });
  afterAll(async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
    await log?.close();
    await broker?.stop();
  });

  test('are heard from shortly before the start on, once each, and only by whom they are about', async () => {
    const before = eventOf();
    await ask(before, eventOf({ expires_at: 1 }));
    const { heard, listener } = listen({ brokers: broker.brokers });
    await listener.ready;
    const run = eventOf({ target_kind: 'run', target_id: RUN });
    const workflow = eventOf({ target_kind: 'workflow', target_id: 'nightly', action: 'pause', reason: 'é😀' });
    await ask(run, run, eventOf({ target_kind: 'run', target_id: 'cd'.repeat(16) }), eventOf({ tenant_id: 'other' }));
    await log.append([{ topic: TOPICS.controls, key: 'k', value: Buffer.from('\0 no event') }]);
    await ask(eventOf({ target_id: 'somebody else' }), before, workflow);
    await until('all are heard', () => heard.length >= 3, PATIENCE_MS);
    const last = eventOf({ action: 'resume' });
    await ask(last);
    await until('the last is heard', () => idsOf(heard).includes(last.event_id), PATIENCE_MS);
    expect(idsOf(heard).toSorted()).toEqual([before, run, workflow, last].map(({ event_id }) => event_id).toSorted());
    expect(heard.find(({ action }) => action === 'pause')).toMatchObject({ reason: 'é😀', requestedBy: 'dana' });
  });

  test('are heard again after the broker was gone, without repeating what was heard', async () => {
    const { heard, listener } = listen({ brokers: broker.brokers, lookBackMs: 0 });
    await listener.ready;
    const first = eventOf();
    await ask(first);
    await until('the first is heard', () => heard.length === 1, PATIENCE_MS);
    await broker.kill();
    await broker.restart();
    const second = eventOf();
    await until(
      'the broker takes records',
      () =>
        ask(second).then(
          () => true,
          () => false,
        ),
      PATIENCE_MS,
    );
    await until('the second is heard', () => heard.length >= 2, PATIENCE_MS);
    expect(idsOf(heard)).toEqual([first.event_id, second.event_id]);
  });

  test('reach an agent without Kafka through the API, asked for at the API itself', async () => {
    const engine = await startTestEngine();
    const settings = { host: '127.0.0.1', port: 0, readonlyStore: engine.store };
    const api = createApi(settings, testContext(engine.store, { log }));
    await api.start();
    const url = `http://127.0.0.1:${api.address().port}`;
    const { heard, listener } = listen({ url, pollMs: 50 });
    await listener.ready;
    const answer = await fetch(`${url}/api/v1/control?tenant=acme`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'kill', target: { kind: 'run', id: RUN }, reason: 'loops' }),
    });
    expect(answer.status, await answer.clone().text()).toBe(202);
    const { event_id } = (await answer.json()) as { readonly event_id: string };
    await until('it is heard', () => idsOf(heard).includes(event_id), PATIENCE_MS);
    expect(heard.find(({ eventId }) => eventId === event_id)).toMatchObject({ action: 'kill', reason: 'loops' });
    await listener.close();
    await api.drain();
    await engine.close();
  });
});
