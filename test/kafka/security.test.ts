import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TransportError } from '../../services/runtime/errors.ts';
import type { KafkaSasl, KafkaSettings } from '../../services/runtime/event-log/kafka-settings.ts';
import type { KafkaTls } from '../../services/runtime/event-log/kafka-tls.ts';
import { createTestCa } from '../support/certificates.ts';
import { type KafkaBroker, kafkaAvailable, startKafkaBroker } from '../support/kafka-broker.ts';
import { freshTopic, openLog, read, texts, until } from './kit.ts';

const USER = 'tacho';
const PASSWORD = 'p=w; 1/+';
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
/** What repeats for ever must not be asked for longer than one round of the client's own retries (7 s). */
const REFUSAL_MAX_MS = 20_000;
/** What may pass is asked three times. */
const PASSING_MAX_MS = 60_000;
/** Brokers that do not answer do not hold up the end. */
const CLOSE_MAX_MS = 6_000;

const refusalOf = async (way: Promise<unknown>): Promise<TransportError> => {
  const thrown = await way.then(
    () => new Error('it was let in'),
    (error: unknown) => error,
  );
  if (thrown instanceof TransportError) return thrown;
  throw thrown;
};

const saslOf = (mechanism: KafkaSasl['mechanism'], more: Partial<KafkaSasl> = {}): KafkaSasl => ({
  mechanism,
  username: USER,
  password: PASSWORD,
  ...more,
});

const JAAS = 'org.apache.kafka.common.security';

const securityProperties = (storePath: string, trustPath: string): readonly string[] => [
  'ssl.keystore.type=PEM',
  `ssl.keystore.location=${storePath}`,
  'ssl.truststore.type=PEM',
  `ssl.truststore.location=${trustPath}`,
  'listener.name.mutual.ssl.client.auth=required',
  'listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
  `listener.name.secure.plain.sasl.jaas.config=${JAAS}.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
  `listener.name.secure.scram-sha-256.sasl.jaas.config=${JAAS}.scram.ScramLoginModule required;`,
  `listener.name.secure.scram-sha-512.sasl.jaas.config=${JAAS}.scram.ScramLoginModule required;`,
  'listener.name.narrow.sasl.enabled.mechanisms=SCRAM-SHA-512',
  `listener.name.narrow.scram-sha-512.sasl.jaas.config=${JAAS}.scram.ScramLoginModule required;`,
];

const isOurs = !process.env['TACHO_KAFKA_BROKERS'];

describe.skipIf(!(kafkaAvailable() && isOurs))('the event log on a Kafka with TLS and SASL', () => {
  let dir: string;
  let broker: KafkaBroker;
  let tls: KafkaTls;
  let foreignCa: string;
  let client: { readonly cert: string; readonly key: string };
  let foreignClient: { readonly cert: string; readonly key: string };
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tacho-tls-'));
    const ca = createTestCa(dir, 'ca');
    const foreign = createTestCa(dir, 'foreign');
    const server = ca.issue('server');
    const store = join(dir, 'server.pem');
    writeFileSync(store, server.key + server.cert);
    tls = { ca: ca.certPath, rejectUnauthorized: true };
    foreignCa = foreign.certPath;
    client = ca.issue('client');
    foreignClient = foreign.issue('client');
    const scram = (mechanism: string) => ['--add-scram', `${mechanism}=[name="${USER}",password="${PASSWORD}"]`];
    broker = await startKafkaBroker({
      listeners: { TLS: 'SSL', MUTUAL: 'SSL', SECURE: 'SASL_SSL', NARROW: 'SASL_SSL' },
      properties: securityProperties(store, ca.certPath),
      formatArgs: [...scram('SCRAM-SHA-256'), ...scram('SCRAM-SHA-512')],
    });
  });
  afterAll(async () => {
    await broker?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const at = (listener: string): readonly string[] => [broker.listeners[listener] ?? ''];

  const roundTrip = async (brokers: readonly string[], more: Partial<KafkaSettings>): Promise<void> => {
    const log = openLog(brokers, more);
    try {
      const spec = freshTopic(2);
      await log.ensureTopics([spec]);
      const values = Array.from({ length: 20 }, (_, i) => `v${i}`);
      await log.append(values.map((value) => ({ topic: spec.topic, key: value, value: Buffer.from(value) })));
      const reader = await read(log, `g-${spec.topic}`, [spec.topic]);
      await until('20 records', () => reader.records.length === 20);
      await until('both commits', async () => (await log.committed(`g-${spec.topic}`, spec.topic)).size === 2);
      await reader.close();
      expect(texts(reader.records).sort()).toEqual([...values].sort());
      expect(await log.logId(spec.topic)).toMatch(/^[0-9a-f-]{36}$/);
    } finally {
      await log.close();
    }
  };

  /** What every way in says when the brokers cannot be reached so: all the same, and none hangs. */
  const refusals = async (brokers: readonly string[], more: Partial<KafkaSettings>): Promise<TransportError[]> => {
    const log = openLog(brokers, more);
    const startedAtMs = Date.now();
    const record = { topic: 'any', key: null, value: Buffer.from('x') };
    const errors = await Promise.all([refusalOf(log.append([record])), refusalOf(log.logId('any'))]);
    const isPassing = errors.some(({ retryable }) => retryable);
    expect(Date.now() - startedAtMs).toBeLessThan(isPassing ? PASSING_MAX_MS : REFUSAL_MAX_MS);
    // A consumer waits for better times, and can be let go meanwhile.
    const reader = await read(log, 'g', ['any']);
    const closedAtMs = Date.now();
    await reader.close();
    await log.close();
    expect(Date.now() - closedAtMs).toBeLessThan(CLOSE_MAX_MS);
    expect(reader.crashes).toEqual([]);
    return errors;
  };

  test('appends and consumes over TLS with a CA of our own, given as a path', async () => {
    await roundTrip(at('TLS'), { tls });
  });

  test('appends and consumes with a client certificate where the brokers ask for one', async () => {
    await roundTrip(at('MUTUAL'), { tls: { ...tls, ...client } });
  });

  test.each(MECHANISMS)('appends and consumes over TLS, logged in by %s', async (mechanism) => {
    await roundTrip(at('SECURE'), { tls, sasl: saslOf(mechanism) });
  });

  test.each(MECHANISMS)(
    'a wrong password is refused at once by %s, and the message names the settings',
    async (mechanism) => {
      const errors = await refusals(at('SECURE'), { tls, sasl: saslOf(mechanism, { password: 'guess' }) });
      for (const error of errors) {
        expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
        expect(error.message).toMatch(/check kafka\.sasl_username and kafka\.sasl_password/);
        expect(error.message).not.toContain('guess');
      }
    },
  );

  test('a mechanism the brokers do not offer is refused, and the message names the setting', async () => {
    for (const error of await refusals(at('NARROW'), { tls, sasl: saslOf('plain') })) {
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
      expect(error.message).toMatch(/check kafka\.sasl_mechanism/);
    }
  });

  // These mostly wait, so they wait together.
  test.concurrent.each([
    ['another CA', () => ({ ca: foreignCa, rejectUnauthorized: true })],
    ["the system's CAs alone", () => ({ rejectUnauthorized: true })],
  ])('brokers of an unknown CA are refused by %s, and the message names the setting', async (_what, own) => {
    for (const error of await refusals(at('TLS'), { tls: own() })) {
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
      expect(error.message).toMatch(/check kafka\.tls_ca_file/);
    }
  });

  test.concurrent('a certificate for another host is refused, and the message says which names to compare', async () => {
    const brokers = at('TLS').map((address) => address.replace('127.0.0.1', 'localhost'));
    for (const error of await refusals(brokers, { tls })) {
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
      expect(error.message).toMatch(/check the host names in kafka\.brokers/);
    }
  });

  test.concurrent.each([
    ['no client certificate', () => ({})],
    ['a client certificate of another CA', () => foreignClient],
  ])('%s is refused where one is asked for, and the message names the settings', async (_what, own) => {
    for (const error of await refusals(at('MUTUAL'), { tls: { ...tls, ...own() } })) {
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: false });
      expect(error.message).toMatch(/check kafka\.tls_cert_file/);
    }
  });

  test.concurrent.each([
    ['TLS to a listener without it', () => broker.brokers, () => ({ tls })],
    ['no TLS to a listener with it', () => at('TLS'), () => ({ tls: false as const })],
    ['no log-in to a listener that wants one', () => at('SECURE'), () => ({ tls })],
  ])('%s ends in an error that may pass and names the settings, not in a hang', async (_what, brokers, more) => {
    for (const error of await refusals(brokers(), more())) {
      expect(error).toMatchObject({ code: 'LOG_UNAVAILABLE', retryable: true });
      expect(error.message).toMatch(/check that kafka\.tls and kafka\.sasl_mechanism are what this listener speaks/);
    }
  });
});
