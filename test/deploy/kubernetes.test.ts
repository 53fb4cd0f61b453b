import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAccess } from '../../services/commands/open-access.ts';
import { loadConfig } from '../../services/runtime/config.ts';
import type { Config } from '../../services/runtime/config-schema.ts';
import { root } from '../support/compose.ts';
import {
  type Container,
  type Manifest,
  manifestFiles,
  type PodSpec,
  parseManifests,
  podsOf,
  readKustomization,
  readManifests,
} from '../support/kubernetes.ts';
import { newSecretsFolder, type SecretsFolder } from '../support/secrets-folder.ts';
import { helpServices } from '../support/tacho-help.ts';
import { kubernetesProblems } from './kubernetes-check.ts';

const manifests = readManifests();
const pods = podsOf(manifests);
const podOf = (all: readonly Manifest[], name: string): PodSpec => {
  const found = podsOf(all).find((pod) => pod.name === name);
  if (found === undefined) throw new Error(`no pod ${name}`);
  return found.spec;
};
const first = (spec: PodSpec): Container => {
  const [container] = spec.containers;
  if (container === undefined) throw new Error('a pod without a container');
  return container;
};

let secrets: SecretsFolder;
/** A folder with the secrets where the pods have them. */
let mounted: string;
beforeAll(() => {
  secrets = newSecretsFolder();
  mounted = join(secrets.dir, 'mounted');
  for (const folder of ['clickhouse', 'tokens']) mkdirSync(join(mounted, folder), { recursive: true });
  const copy = (from: string, to: string) =>
    writeFileSync(join(mounted, to), readFileSync(join(secrets.dir, from), 'utf8'));
  copy('clickhouse-password', 'clickhouse/password');
  copy('tokens.json', 'tokens/tokens.json');
});
afterAll(() => secrets.remove());

/** The config of a container as it would load it. */
const configOf = (container: Container): Config => {
  const text = manifests.find(({ kind }) => kind === 'ConfigMap')?.data?.['tachograph.yaml'] ?? '';
  const here = (value: string) => value.replaceAll('/run/secrets/tachograph', mounted);
  const file = join(mounted, 'tachograph.yaml');
  writeFileSync(file, here(text));
  const env = Object.fromEntries((container.env ?? []).map(({ name, value = '' }) => [name, here(value)]));
  expect(env['TACHO_CONFIG']).toBe('/etc/tachograph/tachograph.yaml');
  return loadConfig(file, env);
};

describe('deploy/kubernetes', () => {
  test('is what Kubernetes 1.37 and our own rules want', () => {
    expect(kubernetesProblems(manifests)).toEqual([]);
  });

  test('has every service of ours as a deployment, the audit beside them and the schema as a job', () => {
    const of = (kind: string) =>
      pods.filter((pod) => pod.kind === kind).map(({ name, spec }) => [name, first(spec).args]);
    expect(of('Deployment').sort()).toEqual(
      [...helpServices().map((name) => [name, [name]]), ['audit', ['audit', '--every', '10m']]].sort(),
    );
    expect(of('Job')).toEqual([['tachograph-migrate', ['migrate']]]);
    const replicas = new Map(manifests.map(({ kind, metadata, spec }) => [`${kind} ${metadata.name}`, spec?.replicas]));
    expect(replicas.get('Deployment alerter')).toBe(2);
  });

  test('waits for the schema wherever the store is used', () => {
    const without = pods
      .filter(({ spec }) => spec.volumes?.some(({ secret }) => secret?.secretName === 'tachograph-clickhouse'))
      .filter(({ kind }) => kind !== 'Job')
      .filter(({ spec }) => spec.initContainers?.[0]?.args?.join(' ') !== 'migrate --check');
    expect(without.map(({ name }) => name)).toEqual([]);
  });

  test('gives every container a config that loads, with the ports it opens', () => {
    for (const { kind, name, spec } of pods) {
      const container = first(spec);
      const config = configOf(container);
      if (kind === 'Job') {
        expect(config.clickhouse.user).toBe('tacho_migrate');
        continue;
      }
      expect(openAccess(config).decide, name).toBeTypeOf('function');
      const ports = new Map(container.ports?.map((port) => [port.name, port.containerPort]));
      expect(ports.get('health'), name).toBe(config.health.port);
      if (name === 'receiver') {
        expect(ports.get('otlp-http')).toBe(config.receiver.http_port);
        expect(ports.get('otlp-grpc')).toBe(config.receiver.grpc_port);
        expect(config.clickhouse.password).toBe('');
      }
      if (name === 'api') expect(ports.get('http')).toBe(config.api.port);
      for (const host of ['receiver', 'api', 'health'] as const) expect(config[host].host, name).toBe('0.0.0.0');
    }
  });

  test('applies every file but the one that says that it is not', () => {
    const { resources, images } = readKustomization();
    expect(resources.sort()).toEqual(
      manifestFiles()
        .filter((name) => name !== 'receiver-autoscaler.yaml')
        .sort(),
    );
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(images).toMatchObject([{ name: 'tachograph', newTag: version }]);
    const used = pods.flatMap(({ spec }) => [...(spec.initContainers ?? []), ...spec.containers].map((c) => c.image));
    expect(new Set(used)).toEqual(new Set([`tachograph:${version}`]));
  });

  test('names only secrets, and keys in them, that docs/deploy.md says how to make', () => {
    const docs = readFileSync(join(root, 'docs/deploy.md'), 'utf8');
    const used = pods.flatMap(({ spec }) => (spec.volumes ?? []).flatMap(({ secret }) => secret ?? []));
    expect(used.length).toBeGreaterThan(8);
    for (const { secretName, items = [] } of used) {
      const command = new RegExp(`create secret generic ${secretName}\\b((?:\\\\\\n|.)*)`).exec(docs)?.[1] ?? '';
      expect(command, secretName).toContain('--from-file=');
      for (const { key } of items) expect(command, secretName).toContain(`=${key}=`);
    }
  });

  test('holds no secret', () => {
    expect(manifests.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    for (const { data = {} } of manifests)
      for (const text of Object.values(data)) expect(text).not.toMatch(/^\s*\w*(password|token|secret):/m);
  });
});

describe('a slip in it is told', () => {
  const copyWith = (change: (copy: Manifest[]) => void): Manifest[] => {
    const copy = structuredClone(manifests);
    change(copy);
    return copy;
  };
  const of = (copy: Manifest[], kind: string, name: string): Manifest => {
    const found = copy.find((one) => one.kind === kind && one.metadata.name === name);
    if (found === undefined) throw new Error(`no ${kind} ${name}`);
    return found;
  };
  const api = (copy: Manifest[]) => first(podOf(copy, 'api'));
  test.each<[string, (copy: Manifest[]) => void, string]>([
    ['an unknown field', (c) => Object.assign(api(c), { arg: [] }), '{"additionalProperty":"arg"}'],
    ['a wrong type', (c) => Object.assign(of(c, 'Deployment', 'api').spec ?? {}, { replicas: '2' }), '/spec/replicas'],
    ['a missing field', (c) => delete (api(c) as { name?: string }).name, '{"missingProperty":"name"}'],
    ['a kind nobody knows', (c) => (of(c, 'Job', 'tachograph-migrate').apiVersion = 'batch/v1beta1'), 'no schema of'],
    ['a moving tag', (c) => (api(c).image = 'tachograph:latest'), 'not pinned'],
    ['root', (c) => (podOf(c, 'api').securityContext = { runAsUser: 0 }), 'runs as root'],
    ['a writable root', (c) => delete api(c).securityContext?.['readOnlyRootFilesystem'], 'may write to its root'],
    ['a capability', (c) => delete api(c).securityContext?.capabilities, 'keeps capabilities'],
    ['no readiness', (c) => delete api(c).readinessProbe, 'has no readinessProbe'],
    ['a probe of nothing', (c) => (api(c).ports = []), 'livenessProbe asks a port'],
    ['no limit', (c) => delete api(c).resources?.limits, 'no limit of memory'],
    ['a short grace', (c) => (podOf(c, 'api').terminationGracePeriodSeconds = 20), 'killed before its drain'],
    ['an unknown command', (c) => (api(c).args = ['apy']), 'no command apy'],
    [
      'a secret',
      (c) => api(c).env?.push({ name: 'TACHO_CLICKHOUSE_PASSWORD', value: 'x' }),
      'a secret in the manifest',
    ],
    ['a mount of nothing', (c) => (podOf(c, 'api').volumes = []), 'which the pod has not'],
    ['no ConfigMap', (c) => (of(c, 'ConfigMap', 'tachograph').metadata.name = 'x'), 'no ConfigMap tachograph'],
    [
      'a service of nobody',
      (c) => Object.assign(of(c, 'Service', 'api').spec ?? {}, { selector: { a: 'b' } }),
      'no pod',
    ],
    [
      'a port of nobody',
      (c) => (api(c).ports = api(c).ports?.filter(({ name }) => name !== 'http') ?? []),
      'port http',
    ],
    [
      'a budget of nobody',
      (c) => (of(c, 'PodDisruptionBudget', 'api').spec = { selector: { matchLabels: { a: 'b' } } as never }),
      'no pod',
    ],
    ['another namespace', (c) => (of(c, 'Service', 'api').metadata.namespace = 'default'), 'is in namespace default'],
  ])('%s', (_, change, told) => {
    expect(kubernetesProblems(copyWith(change)).join('\n')).toContain(told);
  });

  test('a file that is no YAML, and a mode that two readers read in two ways', () => {
    expect(() => parseManifests('a: [')).toThrow();
    expect(parseManifests('a: 0440')).toEqual([{ a: 0o440 }]);
  });
});
