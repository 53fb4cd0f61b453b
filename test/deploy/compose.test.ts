import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAccess } from '../../services/commands/open-access.ts';
import { loadConfig } from '../../services/runtime/config.ts';
import type { Config } from '../../services/runtime/config-schema.ts';
import { ConfigError } from '../../services/runtime/errors.ts';
import { type Compose, type ComposeService, ownServices, readCompose, root } from '../support/compose.ts';
import { newSecretsFolder, type SecretsFolder } from '../support/secrets-folder.ts';
import { helpServices } from '../support/tacho-help.ts';
import { composeProblems } from './compose-check.ts';

const compose = readCompose();
const own = ownServices(compose);
const changed = (change: (copy: Compose) => void): Compose => {
  const copy = structuredClone(compose);
  change(copy);
  return copy;
};

let secrets: SecretsFolder;
beforeAll(() => {
  secrets = newSecretsFolder();
});
afterAll(() => secrets.remove());

/** The config of a service as its container would load it. */
const configOf = (service: ComposeService): Config => {
  const entries = Object.entries(service.environment ?? {});
  return loadConfig(
    join(root, 'config/tachograph.yaml'),
    Object.fromEntries(entries.map(([key, value]) => [key, value.replace('/run/secrets', secrets.dir)])),
  );
};

describe('docker-compose.yml', () => {
  test('is what the Compose specification and our own rules want', () => {
    expect(composeProblems(compose)).toEqual([]);
  });

  test('has every service of ours, the schema before them and the audit beside them', () => {
    const commands = own.map(([, { command }]) => command?.[0] ?? '');
    expect(commands.sort()).toEqual([...helpServices(), 'audit', 'migrate'].sort());
  });

  test('mounts the secrets that deploy/new-secrets.mjs makes, all of them and no other', () => {
    const made = readdirSync(secrets.dir).filter((name) => name !== '.gitignore');
    const files = Object.values(compose.secrets).map(({ file }) => file);
    expect(files.sort()).toEqual(made.sort().map((name) => `./deploy/secrets/${name}`));
    expect(Object.keys(compose.secrets).sort()).toEqual(made);
  });

  test('gives every service a config that loads, and tokens without which it would not start', () => {
    for (const [name, service] of own) {
      const config = configOf(service);
      expect(config.kafka.brokers, name).toEqual(['kafka:9092']);
      expect(config.clickhouse.url, name).toBe('http://clickhouse:8123');
      expect(config.clickhouse.manage_schema, name).toBe(false);
      if (name === 'receiver') expect(config.clickhouse.password).toBe('');
      else expect(config.clickhouse.password.length, name).toBeGreaterThan(40);
      if (name !== 'migrate') expect(openAccess(config).decide, name).toBeTypeOf('function');
    }
    for (const name of ['receiver', 'api']) {
      const config = configOf(compose.services[name] ?? {});
      const bare = { ...config, access: { ...config.access, tokens_file: '' } };
      expect(() => openAccess(bare), name).toThrow(ConfigError);
    }
  });

  test('lets senders in by the names they have for the receiver, and by their token', () => {
    const access = openAccess(configOf(compose.services['receiver'] ?? {}));
    const decide = (token: string, host: string) =>
      access.decide({
        headers: { host, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
        remoteAddress: '172.18.0.1',
        needs: 'ingest',
      }).kind;
    const token = secrets.tokens.get('collector') ?? '';
    for (const host of ['receiver:4318', 'localhost:4318', '127.0.0.1:4317'])
      expect(decide(token, host)).toBe('caller');
    expect(decide(token, 'evil.example')).toBe('denied');
    expect(decide('', 'receiver:4318')).toBe('denied');
    expect(decide('wrong', 'receiver:4318')).toBe('denied');
  });

  test('publishes the ports that the config listens at, to this machine alone unless told otherwise', () => {
    const { receiver, api } = configOf(compose.services['receiver'] ?? {});
    const ports = (file: Compose) => own.flatMap(([name]) => file.services[name]?.ports ?? []).sort();
    expect(ports(compose)).toEqual(
      [receiver.http_port, receiver.grpc_port, api.port].map((port) => `127.0.0.1:${port}:${port}`).sort(),
    );
    const opened = readCompose('docker-compose.yml', { TACHO_BIND: '0.0.0.0' });
    expect(ports(opened).every((port) => port.startsWith('0.0.0.0:'))).toBe(true);
  });

  test("uses the version of package.json, and the plugin's variables that the data source names", () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(new Set(own.map(([, { image }]) => image))).toEqual(new Set([`tachograph:${version}`]));
    const folder = join(root, 'dashboards/generated/provisioning/datasources');
    const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const wanted = new Set([...sources.join('\n').matchAll(/\$\{?(CLICKHOUSE_\w+)/g)].map(([, name = '']) => name));
    const { environment = {}, entrypoint } = compose.services['grafana'] as ComposeService & { entrypoint: string[] };
    expect(wanted.size).toBeGreaterThan(3);
    expect([...wanted].filter((name) => !(name in environment) && !entrypoint.join(' ').includes(`${name}=`))).toEqual(
      [],
    );
  });
});

describe('the pages of Grafana instead of ours', () => {
  const pages = readCompose('deploy/compose.grafana-pages.yml');
  test('are one file laid over the other, that switches the alerter and brings the rules', () => {
    expect(pages.services['alerter']?.environment).toEqual({ TACHO_ALERTS_PAGER: 'grafana' });
    const [mount = ''] = pages.services['grafana']?.volumes ?? [];
    const target = mount.split(':')[1];
    // The same target: compose puts this one in the place of the other.
    expect(compose.services['grafana']?.volumes?.map((volume) => volume.split(':')[1])).toContain(target);
    expect(readdirSync(join(root, mount.split(':')[0] ?? '')).length).toBeGreaterThan(0);
    const laidOver = changed((copy) => {
      for (const [name, { environment, volumes }] of Object.entries(pages.services)) {
        const service = copy.services[name] ?? {};
        service.environment = { ...service.environment, ...environment };
        service.volumes = [...(service.volumes ?? []), ...(volumes ?? [])];
      }
    });
    expect(composeProblems(laidOver)).toEqual([]);
    expect(configOf(laidOver.services['alerter'] ?? {}).alerts.pager).toBe('grafana');
  });
});

describe('a slip in it is told', () => {
  const service = (copy: Compose, name: string): ComposeService => copy.services[name] ?? {};
  test.each<[string, (copy: Compose) => void, string]>([
    ['an unknown key', (c) => Object.assign(service(c, 'api'), { comand: ['api'] }), 'comand'],
    ['a wrong type', (c) => Object.assign(service(c, 'api'), { restart: 5 }), '/services/api/restart'],
    ['a moving tag', (c) => (service(c, 'kafka').image = 'apache/kafka:latest'), 'not pinned'],
    ['no tag', (c) => (service(c, 'kafka').image = 'apache/kafka'), 'not pinned'],
    ['no health check', (c) => delete service(c, 'clickhouse').healthcheck, 'clickhouse: has no health check'],
    ['a health check switched off', (c) => (service(c, 'api').healthcheck = { disable: true }), 'api: has no health'],
    ['a password', (c) => Object.assign(service(c, 'grafana').environment ?? {}, { GF_X_PASSWORD: 'admin' }), 'secret'],
    ['an open port', (c) => service(c, 'api').ports?.push('7070:7070'), 'open to the network'],
    ['root', (c) => (service(c, 'ledger').user = '0:0'), 'ledger: runs as 0:0'],
    ['a writable root', (c) => (service(c, 'ledger').read_only = false), 'ledger: may write'],
    ['a capability', (c) => (service(c, 'ledger').cap_drop = ['NET_RAW']), 'keeps capabilities'],
    ['a short grace', (c) => (service(c, 'ledger').stop_grace_period = '10s'), 'killed before its drain'],
    ['an unknown command', (c) => (service(c, 'ledger').command = ['legder']), 'no command legder'],
    ['an unknown option', (c) => (service(c, 'audit').command = ['audit', '--often']), 'no --often'],
    ['a file that is not there', (c) => (service(c, 'api').volumes = ['./confg:/app/config:ro']), 'not in the repo'],
    ['a secret not mounted', (c) => (service(c, 'api').secrets = ['tokens.json']), 'is not mounted'],
    ['a secret not declared', (c) => service(c, 'api').secrets?.push('more'), 'secret more is not declared'],
    ['a start before the schema', (c) => (service(c, 'policy').depends_on = {}), 'policy: starts before'],
    ['no limit of memory', (c) => delete service(c, 'api').deploy?.resources?.limits?.['memory'], 'no limit of memory'],
  ])('%s', (_, change, told) => {
    expect(composeProblems(changed(change)).join('\n')).toContain(told);
  });

  test('a variable that the config does not know', () => {
    const api = structuredClone(compose.services['api'] ?? {});
    api.environment = { ...api.environment, TACHO_API_PROT: '1' };
    expect(() => configOf(api)).toThrow(ConfigError);
  });
});
