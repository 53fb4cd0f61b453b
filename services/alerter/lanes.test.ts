import { describe, expect, test } from 'vitest';
import type { IncidentEvent } from '../../schemas/incident-event.ts';
import { TransportError } from '../runtime/errors.ts';
import { createMetrics } from '../runtime/metrics.ts';
import type { PostAnswer } from '../runtime/outbound.ts';
import type { Clock, Logger } from '../runtime/ports.ts';
import { readOutcome } from './event-detail.ts';
import { stepIncident } from './fold.ts';
import { deliveryIdOf, emptyMemory } from './incident.ts';
import { contextOf, eventOf } from './incident-fixture.ts';
import { createLanes } from './lanes.ts';
import type { DueDelivery } from './outbox.ts';
import { GIVE_UP_MS } from './retry.ts';
import type { SenderDeps } from './sender-deps.ts';

const T = 1_795_000_000_000;
const HOUR_MS = 3_600_000;

const dueOf = (incidentId: string, sink: string): DueDelivery => {
  const { state } = stepIncident(emptyMemory(incidentId), [eventOf({ incident_id: incidentId })], contextOf(1));
  const [notice] = state.notices;
  if (notice === undefined) throw new Error('a notice is expected');
  const delivery = {
    delivery_id: deliveryIdOf(`${notice.event_id}/${incidentId}`, sink),
    sink,
    state: 'pending' as const,
    attempts: 0,
    last_error: '',
    created_at_ms: T,
    updated_at_ms: T,
  };
  return { notice: { ...notice, routed: { base_url: '', deliveries: [delivery] } }, delivery, baseUrl: '' };
};

const logger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => logger };

/** Lanes over a clock that stands still until it is moved; jitter is at its longest. */
const createBench = (answer: (url: string, nth: number) => PostAnswer) => {
  const now = { ms: T };
  const clock: Clock = { nowMs: () => now.ms, sleep: async () => {} };
  const posts: { readonly url: string; readonly atMs: number }[] = [];
  const told: IncidentEvent[] = [];
  const never = async (): Promise<never> => {
    throw new TransportError('LOG_UNAVAILABLE', 'not here', { retryable: true });
  };
  const deps: SenderDeps = {
    log: {
      kind: 'memory',
      ensureTopics: never,
      append: never,
      consume: never,
      ranges: never,
      committed: never,
      logId: never,
      ping: never,
      close: never,
    },
    store: { insert: never, query: never, command: never, ping: never, close: never },
    clock,
    random: { uuid: () => '', float: () => 1 },
    logger,
    metrics: createMetrics(),
    outbound: {
      post: async ({ url }) => {
        posts.push({ url, atMs: now.ms });
        return answer(url, posts.filter((post) => post.url === url).length);
      },
    },
    onCrash: (error) => {
      throw error;
    },
  };
  const sinks = ['a', 'b'].map((name) => ({
    name,
    kind: 'webhook',
    url: `http://${name}/`,
    secret: '',
    min_severity: 'info' as const,
  }));
  const lanes = createLanes({
    settings: { sinks, pager: 'tachograph', baseUrl: '' },
    deps,
    signal: new AbortController().signal,
    tell: async (events) => void told.push(...events),
    wake: () => {},
  });
  /** Tries what is due and moves the clock to when the next is (a minute, when nothing is), for so many rounds. */
  const play = async (heads: readonly DueDelivery[], rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      lanes.startDue(heads);
      await lanes.ended();
      now.ms += lanes.startDue(heads);
      await lanes.ended();
    }
  };
  return { now, posts, told, lanes, play };
};

const answered = (status: number, retryAfter: string | null = null): PostAnswer => ({
  kind: 'answered',
  status,
  retryAfter,
  excerpt: '',
});

describe('a delivery that fails', () => {
  test('is tried with growing pauses up to five minutes, told at powers of two, and given up after a day', async () => {
    const { posts, told, play } = createBench(() => answered(500));
    await play([dueOf('i', 'a')], 2_000);
    const pauses = posts.map((post, at) => post.atMs - (posts[at - 1]?.atMs ?? post.atMs));
    expect(pauses.slice(1, 11)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map((seconds) => seconds * 1000));
    expect(Math.max(...pauses)).toBe(300_000);
    const outcomes = told.map((event) => readOutcome(event.detail));
    expect(outcomes.map((outcome) => outcome?.attempts)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, posts.length]);
    expect(outcomes.map((outcome) => outcome?.given_up)).toEqual([...Array(9).fill(false), true]);
    const lastMs = posts.at(-1)?.atMs ?? 0;
    expect(lastMs).toBeGreaterThan(T + GIVE_UP_MS);
    expect(lastMs).toBeLessThanOrEqual(T + GIVE_UP_MS + 300_000);
    expect(new Set(told.map((event) => event.event_id)).size).toBe(told.length);
  });

  test('is tried within its longest pause although the clock was put back a day meanwhile', async () => {
    const { now, posts, lanes, play } = createBench((_, nth) => (nth === 1 ? answered(429, '120') : answered(204)));
    const due = dueOf('i', 'a');
    await play([due], 1);
    now.ms = T - 24 * HOUR_MS;
    lanes.startDue([due]);
    await lanes.ended();
    expect(posts.length).toBe(2);
  });

  test('is given up at once when the sink refuses this very message, or the config no longer names it', async () => {
    const { posts, told, play } = createBench(() => answered(410));
    await play([dueOf('i', 'a'), dueOf('j', 'elsewhere')], 5);
    expect(posts.length).toBe(1);
    expect(told.map((event) => readOutcome(event.detail)?.error)).toEqual([
      'the config names no such sink any more',
      'HTTP 410',
    ]);
  });

  test.each([
    ['seconds', '120', 120_000],
    ['a date', new Date(T + 90_000).toUTCString(), 90_000],
    ['longer than an hour', '999999', HOUR_MS],
    ['nonsense', 'soon', 1_000],
    ['a time gone by', new Date(T - 90_000).toUTCString(), 1_000],
  ])('leaves the whole sink alone for as long as it asks, in %s', async (_what, retryAfter, pauseMs) => {
    const { posts, play } = createBench((url, nth) =>
      url === 'http://a/' && nth === 1 ? answered(429, retryAfter) : answered(204),
    );
    const first = dueOf('i', 'a');
    await play([first], 1);
    await play([first, dueOf('j', 'a'), dueOf('k', 'b')], 70);
    expect(posts.filter(({ url }) => url === 'http://b/').map(({ atMs }) => atMs)).toEqual([posts[1]?.atMs]);
    const again = posts.filter(({ url }) => url === 'http://a/').map(({ atMs }) => atMs - T);
    expect(Math.min(...again.slice(1))).toBe(pauseMs);
    expect(again.length).toBe(3);
  });
});
