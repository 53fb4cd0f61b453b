/**
 * A real Kafka broker without containers: jars from Maven Central in `.cache/kafka`, KRaft with one node, its own
 * data folder and free ports. With TACHO_KAFKA_BROKERS set, that cluster is used instead and never stopped.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const KAFKA_VERSION = '4.1.0';
const CACHE = fileURLToPath(new URL('../../.cache/kafka/', import.meta.url));
const START_DEADLINE_MS = 60_000;

/** A running broker, for tests. */
export interface KafkaBroker {
  readonly brokers: readonly string[];
  /** Addresses of the listeners asked for, by name. */
  readonly listeners: Readonly<Record<string, string>>;
  /** Stops it and deletes its data. */
  readonly stop: () => Promise<void>;
  /** SIGKILL: nothing is flushed, nobody is told. Data stay. */
  readonly kill: () => Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. `thaw` lets it go on. */
  readonly freeze: () => void;
  readonly thaw: () => void;
  /** Starts it again on the same ports and data, stopping it first when it runs. Resolves when it answers. */
  readonly restart: () => Promise<void>;
  /** Runs a Java tool of the same jars, such as `org.apache.kafka.tools.ConsoleProducer`; resolves with its output. */
  readonly tool: (mainClass: string, args: readonly string[], stdin?: string) => Promise<string>;
}

export interface KafkaBrokerOptions {
  /** More lines for server.properties, `key=value`. */
  readonly properties?: readonly string[];
  /** More listeners, each a name and its protocol, such as `{ SECURE: 'SASL_SSL' }`. */
  readonly listeners?: Readonly<Record<string, string>>;
  /** More arguments for formatting the storage, such as `--add-scram`. */
  readonly formatArgs?: readonly string[];
}

/** A listener of the broker, on 127.0.0.1. */
interface Listener {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

const runs = (command: string): boolean => {
  try {
    execFileSync(command, ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/**
 * Whether the Kafka tests can run here: a cluster is given, or Java and Maven are there. With REQUIRE_KAFKA=1 their
 * absence is an error instead of a skip.
 */
export const kafkaAvailable = (): boolean => {
  if (process.env['TACHO_KAFKA_BROKERS']) return true;
  const available = runs('java') && (existsSync(join(CACHE, 'libs')) || runs('mvn'));
  if (!available && process.env['REQUIRE_KAFKA'] === '1') {
    throw new Error('REQUIRE_KAFKA=1, but neither TACHO_KAFKA_BROKERS nor Java with Maven is there');
  }
  return available;
};

const dependency = (artifact: string): string =>
  `<dependency><groupId>org.apache.kafka</groupId><artifactId>${artifact}</artifactId><version>${KAFKA_VERSION}</version></dependency>`;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>dev.tachograph</groupId><artifactId>test-kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${['kafka_2.13', 'kafka-tools'].map(dependency).join('')}</dependencies></project>
`;

/** Class path of the broker and its tools; fetched once (about 10 s) and moved into place whole. */
const classPath = async (): Promise<string> => {
  const libs = join(CACHE, 'libs');
  if (!existsSync(join(libs, `kafka-tools-${KAFKA_VERSION}.jar`))) {
    mkdirSync(CACHE, { recursive: true });
    const work = mkdtempSync(join(CACHE, 'fetch-'));
    await writeFile(join(work, 'pom.xml'), POM);
    const goal = ['-q', '-B', '-f', join(work, 'pom.xml'), 'dependency:copy-dependencies'];
    execFileSync('mvn', [...goal, `-DoutputDirectory=${join(work, 'libs')}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    rmSync(libs, { recursive: true, force: true });
    renameSync(join(work, 'libs'), libs);
    rmSync(work, { recursive: true, force: true });
  }
  return readdirSync(libs)
    .map((jar) => join(libs, jar))
    .join(':');
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
};

const answers = async (port: number): Promise<boolean> => {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(1_000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

const urlsOf = (listeners: readonly Listener[]): string =>
  listeners.map(({ name, port }) => `${name}://127.0.0.1:${port}`).join(',');

const SETTINGS = new URL('../../deploy/kafka/broker.properties', import.meta.url);

/** The settings that docker-compose.yml gives its broker, as `key=value` lines. */
export const brokerSettings = (): readonly string[] =>
  readFileSync(SETTINGS, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

const properties = (
  dir: string,
  listeners: readonly Listener[],
  controllerPort: number,
  more: readonly string[],
): string =>
  [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=${urlsOf(listeners)},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=${urlsOf(listeners)}`,
    `listener.security.protocol.map=${listeners.map(({ name, protocol }) => `${name}:${protocol}`).join(',')},CONTROLLER:PLAINTEXT`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    `log.dirs=${join(dir, 'data')}`,
    ...brokerSettings(),
    // Retention is tested too, and nobody waits five minutes for it.
    'log.retention.check.interval.ms=500',
    'log.initial.task.delay.ms=500',
    'log.segment.delete.delay.ms=100',
    ...more,
    '',
  ].join('\n');

const logTail = (dir: string): string => {
  const path = join(dir, 'broker.log');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-40).join('\n') : '(no log)';
};

const runTool = async (path: string, mainClass: string, args: readonly string[], stdin = ''): Promise<string> => {
  const child = spawn('java', ['-Xmx256m', '-cp', path, mainClass, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  let complaints = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    complaints += String(chunk);
  });
  child.stdin.on('error', () => {}); // it may end before it has read everything: its exit code tells
  child.stdin.end(stdin);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${mainClass} ended with ${code}: ${complaints.slice(-2000)}${output.slice(-2000)}`);
  return output;
};

interface Process {
  readonly start: () => Promise<void>;
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
  readonly tell: (signal: NodeJS.Signals) => void;
}

const createProcess = (path: string, dir: string, port: number): Process => {
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, 'exit');
    running.kill(signal);
    await ended;
  };
  const start = async (): Promise<void> => {
    const log = openSync(join(dir, 'broker.log'), 'a');
    const java = ['-Xmx512m', '-cp', path, 'kafka.Kafka', join(dir, 'server.properties')];
    const started = spawn('java', java, { stdio: ['ignore', log, log], cwd: dir });
    child = started;
    const deadline = Date.now() + START_DEADLINE_MS;
    while (!(await answers(port))) {
      if (started.exitCode !== null || Date.now() > deadline) {
        await end('SIGKILL');
        throw new Error(`the Kafka broker did not start:\n${logTail(dir)}`);
      }
      await delay(50);
    }
  };
  return { start, end, tell: (signal) => void child?.kill(signal) };
};

const given = (brokers: string): KafkaBroker => {
  const refuse = async (): Promise<never> => {
    throw new Error('TACHO_KAFKA_BROKERS is not ours to stop');
  };
  const refuseNow = (): never => {
    throw new Error('TACHO_KAFKA_BROKERS is not ours to freeze');
  };
  const ours = { kill: refuse, restart: refuse, tool: refuse, freeze: refuseNow, thaw: refuseNow };
  return { brokers: brokers.split(','), listeners: {}, stop: async () => {}, ...ours };
};

/** Starts a broker (about 5 s; the first time the jars are fetched). Throws with the tail of its log when it fails. */
export const startKafkaBroker = async (options: KafkaBrokerOptions = {}): Promise<KafkaBroker> => {
  const external = process.env['TACHO_KAFKA_BROKERS'];
  if (external) return given(external);
  const path = await classPath();
  const dir = mkdtempSync(join(tmpdir(), 'tacho-kafka-'));
  const port = await freePort();
  const more: Listener[] = [];
  for (const [name, protocol] of Object.entries(options.listeners ?? {})) {
    more.push({ name, protocol, port: await freePort() });
  }
  const listeners = [{ name: 'PLAINTEXT', protocol: 'PLAINTEXT', port }, ...more];
  const config = join(dir, 'server.properties');
  await writeFile(config, properties(dir, listeners, await freePort(), options.properties ?? []));
  const clusterId = (await runTool(path, 'kafka.tools.StorageTool', ['random-uuid'])).trim();
  await runTool(path, 'kafka.tools.StorageTool', [
    'format',
    '-t',
    clusterId,
    '-c',
    config,
    ...(options.formatArgs ?? []),
  ]);
  const broker = createProcess(path, dir, port);
  // A test runner that dies must not leave a JVM behind.
  const onExit = (): void => void broker.end('SIGKILL');
  process.once('exit', onExit);
  await broker.start();
  return {
    brokers: [`127.0.0.1:${port}`],
    listeners: Object.fromEntries(more.map((one) => [one.name, `127.0.0.1:${one.port}`])),
    stop: async () => {
      process.off('exit', onExit);
      await broker.end('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    },
    kill: () => broker.end('SIGKILL'),
    freeze: () => broker.tell('SIGSTOP'),
    thaw: () => broker.tell('SIGCONT'),
    restart: async () => {
      await broker.end('SIGTERM');
      await broker.start();
    },
    tool: (mainClass, args, stdin) => runTool(path, mainClass, args, stdin),
  };
};
