/** The whole system under load, embedded or over Kafka, with every process of it known by name. */
import { setTimeout as delay } from 'node:timers/promises';
import { STREAM_SERVICES } from '../../services/commands/composition.ts';
import { startTestEngine } from '../support/engine.ts';
import { createSite, freePort } from '../support/tacho.ts';
import { startBenchBroker } from './broker-topics.ts';
import { type MeasuredChild, startOurs, untilChild } from './measured-child.ts';
import { childrenOf, cpuSeconds, residentMib } from './process-figures.ts';

export const WORLDS = ['embedded', 'kafka'] as const;
export type World = (typeof WORLDS)[number];

/** A part of the system that is a process of its own. */
export interface Part {
  readonly name: string;
  readonly pid: () => number;
}

export interface LiveSystem {
  /** Base URL of OTLP over HTTP. */
  readonly otlp: string;
  readonly parts: readonly Part[];
  /** Cells of a query's rows, as text. */
  readonly ask: (sql: string) => Promise<readonly (readonly string[])[]>;
  readonly stop: () => Promise<void>;
}

const START_MAX_MS = 90_000;

/** Starts it, ready to take spans. Everything as configured by default, but ports, folders and less logging. */
export const startLiveSystem = (world: World): Promise<LiveSystem> =>
  world === 'embedded' ? startEmbedded() : startOverKafka();

const startEmbedded = async (): Promise<LiveSystem> => {
  const site = await createSite();
  const up = startOurs(['services/main.ts', 'up', '--no-demo'], site.env);
  await untilReady(up, site.api);
  return {
    otlp: site.otlp,
    parts: [
      { name: 'tacho up', pid: () => up.pid },
      // The only child it has is its engine; one that crashed is another process afterwards.
      { name: 'embedded engine', pid: () => childrenOf(up.pid)[0]?.pid ?? 0 },
    ],
    ask: (sql) => askOver(`${site.clickhouse}/?database=tacho`, {}, sql),
    stop: async () => {
      await up.stop();
      site.remove();
    },
  };
};

const startOverKafka = async (): Promise<LiveSystem> => {
  const broker = await startBenchBroker();
  const brokerPid = childrenOf(process.pid).find(({ command }) => command.includes('kafka.Kafka'))?.pid ?? 0;
  const engine = await startTestEngine();
  const site = await createSite({
    TACHO_KAFKA_BROKERS: broker.brokers.join(','),
    TACHO_CLICKHOUSE_URL: engine.url,
    TACHO_CLICKHOUSE_USER: engine.user,
    TACHO_CLICKHOUSE_PASSWORD: engine.password,
    TACHO_CLICKHOUSE_MANAGE_SCHEMA: 'false',
  });
  const services: { readonly name: string; readonly child: MeasuredChild }[] = [];
  for (const name of ['receiver', ...STREAM_SERVICES]) {
    const health = String(await freePort());
    const child = startOurs(['services/main.ts', name], { ...site.env, TACHO_HEALTH_PORT: health });
    services.push({ name, child });
    await untilReady(child, `http://127.0.0.1:${health}`);
  }
  const headers = { 'x-clickhouse-user': engine.user, 'x-clickhouse-key': engine.password };
  return {
    otlp: site.otlp,
    parts: [
      ...services.map(({ name, child }) => ({ name, pid: () => child.pid })),
      { name: 'Kafka broker', pid: () => brokerPid },
      { name: 'engine', pid: () => engine.engine.pid() },
    ],
    ask: (sql) => askOver(`${engine.url}/?database=tacho`, headers, sql),
    stop: async () => {
      await Promise.all(services.map(({ child }) => child.stop()));
      await engine.close();
      await broker.stop();
      site.remove();
    },
  };
};

const untilReady = (child: MeasuredChild, base: string): Promise<true> =>
  untilChild('ready', child, async () => ((await fetch(`${base}/readyz`)).ok ? true : null), START_MAX_MS);

const askOver = async (
  url: string,
  headers: Readonly<Record<string, string>>,
  sql: string,
): Promise<readonly (readonly string[])[]> => {
  const answer = await fetch(url, { method: 'POST', headers, body: `${sql} FORMAT TSV` });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'));
};

/** What each part used between two looks. */
export interface Usage {
  readonly name: string;
  /** CPU seconds a second: 1 is one core busy all the time. */
  readonly cores: number;
  readonly residentMib: number;
}

/** Starts measuring; the result tells what happened since. */
export const startUsage = (parts: readonly Part[]): (() => readonly Usage[]) => {
  const beganMs = performance.now();
  const before = parts.map(({ pid }) => cpuSeconds(pid()));
  return () => {
    const seconds = (performance.now() - beganMs) / 1000;
    return parts.map(({ name, pid }, at) => ({
      name,
      cores: (cpuSeconds(pid()) - (before[at] ?? 0)) / seconds,
      residentMib: residentMib(pid()).now,
    }));
  };
};

/** Waits until `isDone`, looking every 200 ms; false when it took longer than `maxMs`. */
export const within = async (maxMs: number, isDone: () => Promise<boolean> | boolean): Promise<boolean> => {
  const endMs = performance.now() + maxMs;
  while (performance.now() < endMs) {
    if (await isDone()) return true;
    await delay(200);
  }
  return false;
};
