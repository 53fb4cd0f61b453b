import type { Consumer } from 'kafkajs';
import { decodeControlEvent } from '../../schemas/control-event.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { Hearing } from './hearing.ts';
import { createKafkaClient, type KafkaClient } from './kafka-client.ts';
import { reasonOf, say } from './say.ts';
import type { KafkaPlace } from './settings.ts';
import { jittered, nowMs, pause, uuid, withDeadline, within } from './world.ts';

const SESSION_TIMEOUT_MS = 30_000;
/** A broker answers an empty fetch after this long; a request is handed over as soon as it is written. */
const FETCH_WAIT_MS = 2_000;
/** Without any answer for so long the connection is taken for dead: the other side may be gone without a word. */
const SILENCE_MAX_MS = 60_000;
const SILENCE_CHECK_MS = 5_000;
const CONNECT_DEADLINE_MS = 30_000;
const GOODBYE_MS = 2_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 15_000;

/**
 * Reads `control_events` until the signal fires, from the look-back on, through outages. A group of its own at each
 * connection, which never commits: nothing of it stays behind on the broker, and every process hears everything.
 */
export const hearKafka = async (place: KafkaPlace, hearing: Hearing): Promise<void> => {
  const next = new Map<number, string>();
  const sinceMs = nowMs() - hearing.lookBackMs;
  let backoffMs = BACKOFF_FIRST_MS;
  let isTold = false;
  while (!hearing.signal.aborted) {
    const client = createKafkaClient(place);
    // A goodbye in good order gets a moment; a broker that does not answer must not hold up the end.
    const hurry = (): void => void pause(GOODBYE_MS).then(client.cut);
    hearing.signal.addEventListener('abort', hurry, { once: true });
    try {
      await listen(client, hearing, next, sinceMs, () => {
        if (isTold) say('info', 'control requests are heard again');
        isTold = false;
        backoffMs = BACKOFF_FIRST_MS;
      });
    } catch (error) {
      if (!isTold && !hearing.signal.aborted) say('warn', `control requests are not heard: ${reasonOf(error)}`);
      isTold = true;
    } finally {
      hearing.signal.removeEventListener('abort', hurry);
      client.cut();
    }
    await pause(jittered(backoffMs), hearing.signal);
    backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
  }
};

/** One connection: resolves when the signal fires, throws when it is lost. */
const listen = async (
  client: KafkaClient,
  hearing: Hearing,
  next: Map<number, string>,
  sinceMs: number,
  isUp: () => void,
): Promise<void> => {
  await withDeadline(CONNECT_DEADLINE_MS, 'Kafka', findStart(client, next, sinceMs));
  const consumer = client.kafka.consumer({
    groupId: `tacho-agent-${uuid()}`,
    sessionTimeout: SESSION_TIMEOUT_MS,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: async () => false },
  });
  let lastAnswerMs = nowMs();
  let lost: (error: Error) => void = () => {};
  const isLost = new Promise<never>((_resolve, reject) => {
    lost = reject;
  });
  isLost.catch(() => {}); // it may come when nobody waits any more
  consumer.on(consumer.events.CRASH, ({ payload }) => lost(payload.error));
  consumer.on(consumer.events.FETCH, () => {
    lastAnswerMs = nowMs();
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // Nothing is ever committed: where to read on is known here alone.
    for (const partition of payload.memberAssignment[TOPICS.controls] ?? []) {
      const offset = next.get(partition) ?? '0';
      consumer.seek({ topic: TOPICS.controls, partition, offset });
    }
    isUp();
    hearing.ready();
  });
  try {
    await withDeadline(CONNECT_DEADLINE_MS, 'Kafka', run(consumer, hearing, next));
    await Promise.race([isLost, silence(hearing.signal, () => lastAnswerMs)]);
  } finally {
    await within(GOODBYE_MS, consumer.disconnect());
  }
};

/** Where each partition is read from: where the connection before stopped, else the first record of the look-back. */
const findStart = async (client: KafkaClient, next: Map<number, string>, sinceMs: number): Promise<void> => {
  const admin = client.kafka.admin();
  try {
    await admin.connect();
    for (const { partition, offset } of await admin.fetchTopicOffsetsByTimestamp(TOPICS.controls, sinceMs)) {
      if (!next.has(partition)) next.set(partition, offset);
    }
  } finally {
    await within(GOODBYE_MS, admin.disconnect());
  }
};

const run = async (consumer: Consumer, hearing: Hearing, next: Map<number, string>): Promise<void> => {
  await consumer.connect();
  await consumer.subscribe({ topics: [TOPICS.controls], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const decoded = decodeControlEvent(message.value ?? new Uint8Array());
      if (decoded.kind === 'ok') hearing.heard(decoded.value);
      else say('warn', `a record of ${TOPICS.controls} is no control event: ${decoded.detail}`);
      next.set(partition, String(BigInt(message.offset) + 1n));
    },
  });
};

/** Resolves when the signal fires; throws when nothing was heard of the broker for too long. */
const silence = async (signal: AbortSignal, lastAnswerMs: () => number): Promise<void> => {
  while (!signal.aborted) {
    await pause(SILENCE_CHECK_MS, signal);
    if (nowMs() - lastAnswerMs() > SILENCE_MAX_MS) throw new Error(`no answer for ${SILENCE_MAX_MS} ms`);
  }
};
