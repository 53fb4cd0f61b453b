import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Compose, type ComposeService, ownServices, root } from '../support/compose.ts';
import { composeSchemaProblems } from '../support/schema-check.ts';
import { refusedWords } from '../support/tacho-help.ts';

/** Names of variables whose value would be a secret. Files with one, users and switches are none. */
const SECRET_NAME = /PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|CREDENTIAL/;
/** services/commands/deadline.ts: the longest drain of a service, s; a stop must leave room for what follows it. */
const DRAIN_SECONDS = 20;

const isPinned = (image: string): boolean => /^[a-z0-9./-]+:\d+\.\d+\.\d+[\w.-]*$/.test(image);

const secondsOf = (duration = '0s'): number => Number(/^(\d+)s$/.exec(duration)?.[1] ?? 0);

/** What holds for every container. */
const anyService = (name: string, service: ComposeService, compose: Compose): string[] => {
  const problems: string[] = [];
  const want = (isGood: boolean, problem: string): void => void (isGood || problems.push(`${name}: ${problem}`));
  want(isPinned(service.image ?? ''), `image ${service.image} is not pinned to a version`);
  const isWaitedFor = Object.values(compose.services).some(
    ({ depends_on }) => depends_on?.[name]?.condition === 'service_completed_successfully',
  );
  want(isWaitedFor || (service.healthcheck?.test?.length ?? 0) > 0, 'has no health check');
  want(service.healthcheck?.disable !== true || isWaitedFor, 'has its health check switched off');
  want((service.restart ?? 'no') !== 'no', 'is not started again');
  want(service.cap_drop?.includes('ALL') === true, 'keeps capabilities');
  want(service.security_opt?.includes('no-new-privileges:true') === true, 'may gain privileges');
  const limits = service.deploy?.resources?.limits ?? {};
  for (const limit of ['cpus', 'memory', 'pids']) want(limits[limit] !== undefined, `has no limit of ${limit}`);
  want(service.logging?.options?.['max-size'] !== undefined, 'logs without bound');
  for (const port of service.ports ?? []) want(port.startsWith('127.0.0.1:'), `port ${port} is open to the network`);
  for (const [key, value] of Object.entries(service.environment ?? {}))
    want(
      !SECRET_NAME.test(key) || value === '' || value === '/dev/null' || value.startsWith('/run/secrets/'),
      `${key} is a secret in the file`,
    );
  for (const [dependency, { condition }] of Object.entries(service.depends_on ?? {})) {
    want(dependency in compose.services, `waits for ${dependency}, which is not there`);
    want(condition !== 'service_started', `does not wait until ${dependency} is healthy`);
  }
  return problems;
};

const mountedVolumes = (name: string, { volumes = [] }: ComposeService, compose: Compose): string[] =>
  volumes.flatMap((volume) => {
    const [source = '', , mode] = volume.split(':');
    if (!source.startsWith('.')) return source in compose.volumes ? [] : [`${name}: volume ${source} is not declared`];
    return [
      ...(existsSync(join(root, source)) ? [] : [`${name}: ${source} is not in the repository`]),
      ...(mode === 'ro' ? [] : [`${name}: ${source} is mounted writable`]),
    ];
  });

const mountedSecrets = (
  name: string,
  { secrets = [], environment = {} }: ComposeService,
  compose: Compose,
): string[] => {
  const sources = secrets.map((secret) => (typeof secret === 'string' ? secret : secret.source));
  const mounted = new Set(
    secrets.map((secret) => (typeof secret === 'string' ? `/run/secrets/${secret}` : secret.target)),
  );
  return [
    ...sources.filter((source) => !(source in compose.secrets)).map((it) => `${name}: secret ${it} is not declared`),
    ...Object.entries(environment)
      .filter(([, value]) => value.startsWith('/run/secrets/') && !mounted.has(value))
      .map(([key, value]) => `${name}: ${key} names ${value}, which is not mounted`),
  ];
};

/** What holds for containers of our image besides. */
const ownService = (name: string, service: ComposeService): string[] => {
  const problems: string[] = [];
  const want = (isGood: boolean, problem: string): void => void (isGood || problems.push(`${name}: ${problem}`));
  want(/^[1-9]\d*:[1-9]\d*$/.test(service.user ?? ''), `runs as ${service.user ?? 'whom the image says'}`);
  want(service.read_only === true, 'may write to its root');
  want(service.init === true, 'has no init');
  want(secondsOf(service.stop_grace_period) > DRAIN_SECONDS, 'is killed before its drain ends');
  const refused = refusedWords(service.command ?? []);
  want(refused === '', refused);
  const isMigrate = service.command?.[0] === 'migrate';
  const waits = service.depends_on?.['migrate']?.condition === 'service_completed_successfully';
  want(isMigrate || waits, 'starts before the schema is there');
  return problems;
};

/** Everything that speaks against a compose file, one sentence each; [] when nothing does. */
export const composeProblems = (compose: Compose): string[] => [
  ...composeSchemaProblems(compose),
  ...Object.entries(compose.services).flatMap(([name, service]) => [
    ...anyService(name, service, compose),
    ...mountedVolumes(name, service, compose),
    ...mountedSecrets(name, service, compose),
  ]),
  ...ownServices(compose).flatMap(([name, service]) => ownService(name, service)),
];
