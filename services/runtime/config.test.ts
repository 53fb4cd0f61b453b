import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from './config.ts';
import { ConfigError } from './errors.ts';

const fileWith = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'tacho-config-')), 'tachograph.yaml');
  writeFileSync(path, text);
  return path;
};

const problemsOf = (path: string | null, environment: Record<string, string>) => {
  try {
    loadConfig(path, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('config', () => {
  test('has a value for every key without a file', () => {
    const config = loadConfig(fileWith(''), {});
    expect(config.receiver.http_port).toBe(4318);
    expect(config.clickhouse.database).toBe('tacho');
    expect(config.kafka.brokers).toEqual([]);
  });

  test('the environment outranks the file', () => {
    const path = fileWith('receiver:\n  http_port: 1111\n');
    const config = loadConfig(path, {
      TACHO_RECEIVER_HTTP_PORT: '2222',
      TACHO_KAFKA_BROKERS: 'a:1, b:2',
      TACHO_KAFKA_TLS: 'true',
    });
    expect(config.receiver.http_port).toBe(2222);
    expect(config.kafka.brokers).toEqual(['a:1', 'b:2']);
    expect(config.kafka.tls).toBe(true);
  });

  test('names every problem at once with key, value and what is allowed', () => {
    const path = fileWith('receiver:\n  http_port: many\n  speed: 3\nnowhere: {}\n');
    const problems = problemsOf(path, { TACHO_API_PORT: '99999', TACHO_RECIEVER_HTTP_PORT: '1' });
    const keys = problems.map((problem) => problem.key);
    expect(keys).toEqual(
      expect.arrayContaining([
        'receiver.http_port',
        'receiver.speed',
        'nowhere',
        'api.port',
        'TACHO_RECIEVER_HTTP_PORT',
      ]),
    );
    for (const problem of problems) expect(problem.allowed).not.toBe('');
  });

  test('a mistyped name does not tell its value, which may be a secret', () => {
    const problems = problemsOf(fileWith(''), { TACHO_KAFKA_SASL_PASWORD: 'hunter2' });
    expect(problems.map((problem) => problem.key)).toEqual(['TACHO_KAFKA_SASL_PASWORD']);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });

  test('an empty port is a problem, not port 0', () => {
    expect(problemsOf(fileWith(''), { TACHO_API_PORT: '' }).map((p) => p.key)).toEqual(['api.port']);
  });

  test('a secret may stand in a file and never in a message', () => {
    const secret = fileWith('s3cret\n');
    const config = loadConfig(fileWith(''), { TACHO_CLICKHOUSE_PASSWORD_FILE: secret });
    expect(config.clickhouse.password).toBe('s3cret');
    const problems = problemsOf(fileWith('clickhouse:\n  password: [hush]\n'), {});
    expect(JSON.stringify(problems)).not.toContain('hush');
  });

  test('the address and the key of a sink may stand in files, and are in no message', () => {
    const [url, secret] = [fileWith('https://hooks.example/T0/hush\n'), fileWith('whsec_aHVzaA==\n')];
    const sink = `{name: oncall, kind: slack, url_file: ${url}, secret_file: ${secret}}`;
    const [read] = loadConfig(fileWith(`alerts: {sinks: [${sink}]}`), {}).alerts.sinks;
    expect([read?.url, read?.secret, read?.min_severity]).toEqual([
      'https://hooks.example/T0/hush',
      'whsec_aHVzaA==',
      'low',
    ]);
    const wrong = [
      `alerts: {sinks: [{name: A B, kind: slack, url: "https://hush"}]}`,
      `alerts: {sinks: [{name: a, kind: slack, url: "ftp://hush"}, {name: a, kind: webhook, url_file: /nowhere/x}]}`,
      `alerts: {sinks: [{name: a, kind: pager, url: "https://hush", min_severity: loud}]}`,
      `alerts: {sinks: [{name: a, kind: slack, url: "https://hush", url_file: ${url}}]}`,
      `alerts: {sinks: "https://hush"}`,
      `alerts: {sinks: [{name: a, kind: webhook, url: "https://hush:hush@hook.example/"}]}`,
      `alerts: {sinks: [{name: a, kind: webhook, url: "https://hook.example/", secret: whsec_}]}`,
      `alerts: {sinks: [{name: a, kind: webhook, url: "https://hook.example/", secret: whsec_hush-}]}`,
    ].map((text) => problemsOf(fileWith(text), {}));
    expect(wrong.map((problems) => problems.map(({ key }) => key))).toEqual([
      ['alerts.sinks.0.name'],
      ['alerts.sinks.0.url', 'alerts.sinks.1.url_file', 'alerts.sinks.1.name'],
      ['alerts.sinks.0.kind', 'alerts.sinks.0.min_severity'],
      ['alerts.sinks.0.url'],
      ['alerts.sinks'],
      ['alerts.sinks.0.url'],
      ['alerts.sinks.0.secret'],
      ['alerts.sinks.0.secret'],
    ]);
    expect(JSON.stringify(wrong)).not.toContain('hush');
  });

  test('sinks may come from the environment, as JSON', () => {
    const sinks = JSON.stringify([{ name: 'oncall', kind: 'webhook', url: 'http://pager.example/', secret: 's' }]);
    expect(loadConfig(fileWith(''), { TACHO_ALERTS_SINKS: sinks }).alerts.sinks[0]?.url).toBe('http://pager.example/');
  });

  test('rows are kept for fifty years at most: a longer TTL wraps beyond 2106 and expires them at once', () => {
    const ends = new Date('2106-02-07T00:00:00Z').getTime();
    const longest = loadConfig(fileWith(''), { TACHO_RETENTION_LEDGER_DAYS: '18250' }).retention.ledger_days;
    expect(new Date('2050-01-01T00:00:00Z').getTime() + longest * 86_400_000).toBeLessThan(ends);
    expect(problemsOf(fileWith(''), { TACHO_RETENTION_LEDGER_DAYS: '18251' }).map((p) => p.key)).toEqual([
      'retention.ledger_days',
    ]);
  });

  test('a retention that would break a promise is told with all others, and single tables may come as JSON', () => {
    expect(loadConfig(fileWith(''), { TACHO_RETENTION_TABLES: '{"dead_letters": 9}' }).retention.tables).toEqual({
      dead_letters: 9,
    });
    const wrong = { TACHO_RETENTION_TABLES: '{"nope": 9, "batches": 20}', TACHO_RETENTION_STATE_DAYS: '2' };
    expect(problemsOf(fileWith(''), wrong).map(({ key }) => key)).toEqual([
      'retention.tables.nope',
      'retention.state_days',
      'retention.tables.batches',
    ]);
  });

  test('a folder is no config file', () => {
    expect(problemsOf(tmpdir(), {})).toEqual([
      { key: '--config', value: tmpdir(), allowed: 'a file that can be read' },
    ]);
  });

  test.each([
    ['TACHO_CLICKHOUSE_URL', 'clickhouse.example', 'clickhouse.url'],
    ['TACHO_CLICKHOUSE_URL', 'ftp://clickhouse.example', 'clickhouse.url'],
    ['TACHO_KAFKA_BROKERS', 'kafka-1', 'kafka.brokers'],
    ['TACHO_KAFKA_BROKERS', 'kafka-1:9092,http://kafka-2:9092', 'kafka.brokers'],
    ['TACHO_CLICKHOUSE_TLS_CA_FILE', '/nowhere/ca.pem', 'clickhouse.tls_ca_file'],
    ['TACHO_KAFKA_TLS_KEY_FILE', '/nowhere/key.pem', 'kafka.tls_key_file'],
  ])('%s=%s is named at start, not met by the first connection', (name, value, key) => {
    const [problem] = problemsOf(fileWith(''), { [name]: value });
    expect(problem?.key.startsWith(key)).toBe(true);
    expect(problem?.allowed).toMatch(/host:port|can be read/);
  });

  test('addresses as people write them are taken', () => {
    const config = loadConfig(fileWith(''), {
      TACHO_CLICKHOUSE_URL: 'https://user@ch.example:8443/path',
      TACHO_KAFKA_BROKERS: '[::1]:9092, kafka_1.example:19092',
    });
    expect(config.kafka.brokers).toEqual(['[::1]:9092', 'kafka_1.example:19092']);
    expect(config.clickhouse.url).toBe('https://user@ch.example:8443/path');
  });

  test('a named file that is absent is a problem, broken YAML names its line', () => {
    expect(problemsOf('/nowhere/tachograph.yaml', {})[0]?.key).toBe('--config');
    expect(problemsOf(fileWith('a: [1\nb: 2\n'), {})[0]?.key).toMatch(/tachograph\.yaml:\d+/);
  });
});
