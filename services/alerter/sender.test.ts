import { expect, test } from 'vitest';
import { silentLogger } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import type { Clock, Row, Store } from '../runtime/ports.ts';
import type { AssignedPartition } from '../runtime/stream/types.ts';
import { stepIncident } from './fold.ts';
import { emptyMemory } from './incident.ts';
import { contextOf, eventOf } from './incident-fixture.ts';
import { type RoutingSettings, routeNotice } from './routing.ts';
import { createSender } from './sender.ts';

const T = 1_795_000_000_000;
const sinkNamed = (name: string) => ({
  name,
  kind: 'webhook',
  url: `http://${name}/`,
  secret: '',
  min_severity: 'info' as const,
});
const settings: RoutingSettings = { sinks: ['dead', 'good'].map(sinkNamed), pager: 'tachograph', baseUrl: '' };

/** The stored row of an incident that waits to be told to one sink. */
const waitingFor = (incidentId: string, sink: string): Row => {
  const opened = eventOf({ incident_id: incidentId, event_id: `opened-${incidentId}` });
  const { state } = stepIncident(emptyMemory(incidentId), [opened], contextOf(1));
  const [notice] = state.notices;
  if (notice === undefined) throw new Error('a notice is expected');
  const routed = routeNotice(notice, { ...settings, sinks: [sinkNamed(sink)] }, T);
  const next = stepIncident(state, [routed], contextOf(2));
  const [row] = next.tables.find(({ table }) => table === 'incidents')?.rows ?? [];
  if (row === undefined) throw new Error('a row is expected');
  return row;
};

test('after a restart, incidents whose sink is away do not hide the others from theirs', async () => {
  const rows = [
    ...Array.from({ length: 2_100 }, (_, at) => waitingFor(`dead-${at}`, 'dead')),
    waitingFor('last-1', 'good'),
    waitingFor('last-2', 'good'),
  ];
  const told = Promise.withResolvers<void>();
  const taken: string[] = [];
  const partition = new AbortController();
  const never = async (): Promise<never> => {
    throw new Error('nobody asks for this');
  };
  const store: Store = {
    // The table as it is: in the order and within the bounds that the query asks for.
    query: async <R>(text: string, params?: Readonly<Record<string, unknown>>) => {
      const limit = Number(/LIMIT (\d+)/.exec(text)?.[1] ?? 0);
      const skip = Number(params?.['skip'] ?? 0);
      return rows.slice(skip, skip + limit) as readonly unknown[] as readonly R[];
    },
    insert: never,
    command: never,
    ping: never,
    close: never,
  };
  const clock: Clock = {
    nowMs: () => T,
    sleep: (_ms, signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('woken')))),
  };
  const place: AssignedPartition = { topic: 'incident_events', partition: 0, logId: 'log', signal: partition.signal };
  const sender = createSender(place, settings, {
    log: {
      kind: 'memory',
      ensureTopics: never,
      append: async () => [],
      consume: never,
      ranges: async () => [],
      committed: never,
      logId: never,
      ping: never,
      close: never,
    },
    store,
    clock,
    random: { uuid: () => 'u', float: () => 0 },
    logger: silentLogger,
    metrics: createMetrics(),
    outbound: {
      post: async ({ url, headers }) => {
        if (url !== 'http://good/') return { kind: 'unreachable', reason: 'away' };
        taken.push(String(headers['idempotency-key']));
        if (taken.length === 2) told.resolve();
        return { kind: 'answered', status: 204, retryAfter: null, excerpt: '' };
      },
    },
    onCrash: (error) => {
      throw error;
    },
  });
  await told.promise;
  await sender.finish();
  partition.abort();
  expect(new Set(taken).size).toBe(2);
});
