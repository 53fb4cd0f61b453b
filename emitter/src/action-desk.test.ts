import { diag } from '@opentelemetry/api';
import { afterEach, describe, expect, test } from 'vitest';
import { actionEventSchema } from '../../schemas/action-event-codec.ts';
import { startTestRegistry, type TestRegistry } from '../../test/support/schema-registry.ts';
import { createEmitter, type Emitter } from './emitter.ts';
import type { EmitterOptions, SchemaRegistry } from './settings.ts';

const ACTION = { kind: 'egress', name: 'POST', egress: { host: 'example.com' } } as const;

const open: { shutdown?: () => Promise<void>; close?: () => Promise<void> }[] = [];
afterEach(async () => {
  diag.disable();
  for (const one of open.splice(0)) await (one.shutdown ?? one.close)?.();
});
const create = (schemaRegistry: SchemaRegistry, change: Partial<EmitterOptions> = {}): Emitter => {
  const emitter = createEmitter({ brokers: ['127.0.0.1:1'], flushTimeoutMs: 50, schemaRegistry, ...change });
  open.push(emitter);
  return emitter;
};
const registryOf = async (id: number, failures: number): Promise<TestRegistry> => {
  const registry = await startTestRegistry(id, failures);
  open.push(registry);
  return registry;
};

describe('a schema registry', () => {
  test('is asked for our schema under the topic’s subject, with the credentials given, once a process', async () => {
    const registry = await registryOf(7, 0);
    const emitter = create({ url: `${registry.url}/`, username: 'agent', password: 'p:w' });
    emitter.emitAction(ACTION);
    await expect.poll(() => registry.requests.length).toBe(1);
    emitter.emitAction(ACTION);
    await expect.poll(() => emitter.stats()).toMatchObject({ offered: 2, waiting: 2 });
    expect(registry.requests).toEqual([
      {
        path: '/subjects/action_events-value/versions',
        authorization: `Basic ${Buffer.from('agent:p:w').toString('base64')}`,
        schema: actionEventSchema(),
      },
    ]);
  });

  test('may be only looked into, under a subject and with a token of one’s own', async () => {
    const registry = await registryOf(7, 0);
    create({ url: registry.url, mode: 'lookup', subject: 'acme/acts', token: 't' });
    await expect
      .poll(() => registry.requests)
      .toMatchObject([{ path: '/subjects/acme%2Facts', authorization: 'Bearer t' }]);
  });

  test('that does not answer holds events back up to the limit, says so once, and none is uncounted', async () => {
    const told: string[] = [];
    const hear = (message: string): void => void told.push(message);
    diag.setLogger({ verbose: () => {}, debug: () => {}, info: hear, warn: hear, error: hear });
    const emitter = create({ url: 'http://127.0.0.1:1' }, { queueRecordsMax: 3 });
    for (let number = 0; number < 5; number++) expect(emitter.emitAction(ACTION)).toEqual({ kind: 'queued' });
    expect(emitter.stats()).toMatchObject({ offered: 5, waiting: 3, droppedFull: 2, sent: 0 });
    expect(await emitter.flush()).toBe(false);
    await emitter.shutdown();
    emitter.emitAction(ACTION);
    expect(emitter.stats()).toMatchObject({ offered: 6, waiting: 0, droppedFull: 2, droppedShutdown: 4 });
    expect(told.filter((message) => message.includes('no schema id from'))).toHaveLength(1);
  });

  test.each([
    [{ schemaRegistry: { url: 'registry:8081' } }, 'schemaRegistry.url'],
    [{ schemaRegistry: { url: 'http://registry' }, actionSchemaId: 3 }, 'actionSchemaId'],
  ])('that cannot be one is refused at the start: %j', (options, name) => {
    expect(() => createEmitter({ brokers: ['127.0.0.1:1'], ...options })).toThrow(name);
  });
});
