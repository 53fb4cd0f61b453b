import { type Container, type Manifest, type PodSpec, podsOf } from '../support/kubernetes.ts';
import { kubernetesSchemaProblems } from '../support/schema-check.ts';
import { refusedWords } from '../support/tacho-help.ts';

/** services/commands/deadline.ts: the longest drain of a service, s. */
const DRAIN_SECONDS = 20;

type Want = (isGood: boolean, problem: string) => void;
const collect = (prefix: string, check: (want: Want) => void): string[] => {
  const problems: string[] = [];
  check((isGood, problem) => void (isGood || problems.push(`${prefix}: ${problem}`)));
  return problems;
};

const containerProblems = (where: string, container: Container, pod: PodSpec): string[] =>
  collect(`${where}/${container.name}`, (want) => {
    const { securityContext: rights = {}, resources = {} } = container;
    want(/:\d+\.\d+\.\d+/.test(container.image ?? ''), `image ${container.image} is not pinned to a version`);
    want(rights['allowPrivilegeEscalation'] === false, 'may gain privileges');
    want(rights['readOnlyRootFilesystem'] === true, 'may write to its root');
    want(rights.capabilities?.drop?.includes('ALL') === true, 'keeps capabilities');
    want(resources.requests?.['cpu'] !== undefined, 'asks for no share of cpu');
    want(resources.requests?.['memory'] !== undefined, 'asks for no memory');
    want(resources.limits?.['memory'] !== undefined, 'has no limit of memory');
    const refused = refusedWords(container.args ?? []);
    want(refused === '', refused);
    const volumes = new Set(pod.volumes?.map(({ name }) => name));
    for (const mount of container.volumeMounts ?? []) {
      want(volumes.has(mount.name), `mounts ${mount.name}, which the pod has not`);
      want(mount.readOnly === true || mount.mountPath === '/tmp', `mounts ${mount.mountPath} writable`);
    }
    for (const { name, value = '' } of container.env ?? [])
      want(!/PASSWORD|SECRET|TOKEN/.test(name) || value.startsWith('/'), `${name} is a secret in the manifest`);
  });

const probeProblems = (where: string, container: Container): string[] =>
  collect(`${where}/${container.name}`, (want) => {
    const ports = new Set<string | number>(container.ports?.map(({ name }) => name ?? ''));
    for (const [probe, path] of [
      ['livenessProbe', '/healthz'],
      ['readinessProbe', '/readyz'],
    ] as const) {
      const asked = container[probe]?.httpGet;
      want(asked?.path === path, `has no ${probe} at ${path}`);
      want(asked === undefined || ports.has(asked.port), `${probe} asks a port that is none of its own`);
    }
  });

const volumeProblems = (where: string, { volumes = [] }: PodSpec, maps: ReadonlySet<string>): string[] =>
  collect(where, (want) => {
    for (const { name, emptyDir, secret, configMap } of volumes) {
      want(emptyDir === undefined || emptyDir.sizeLimit !== undefined, `${name} has no bound`);
      // 0440 reads as 440 to a reader of YAML 1.2: the decimal number is the same to all.
      want(secret === undefined || secret.defaultMode === 0o440, 'a secret can be read by others in the pod');
      want(configMap === undefined || maps.has(configMap.name), `there is no ConfigMap ${configMap?.name}`);
    }
  });

const podProblems = (manifests: readonly Manifest[]): string[] => {
  const namesOf = (wanted: string) =>
    new Set(manifests.filter(({ kind }) => kind === wanted).map(({ metadata }) => metadata.name));
  const accounts = namesOf('ServiceAccount');
  const maps = namesOf('ConfigMap');
  return podsOf(manifests).flatMap(({ kind, name, spec }) => {
    const where = `${kind} ${name}`;
    const isJob = kind === 'Job';
    return [
      ...collect(where, (want) => {
        const rights = spec.securityContext ?? {};
        want(rights['runAsNonRoot'] === true && Number(rights['runAsUser']) > 0, 'runs as root, or may');
        want(JSON.stringify(rights['seccompProfile']) === '{"type":"RuntimeDefault"}', 'has no seccomp');
        want(spec.automountServiceAccountToken === false, 'holds a token of the Kubernetes API');
        want(isJob || (spec.terminationGracePeriodSeconds ?? 30) > DRAIN_SECONDS, 'is killed before its drain');
        want(accounts.has(spec.serviceAccountName ?? ''), `has no service account ${spec.serviceAccountName}`);
      }),
      ...volumeProblems(where, spec, maps),
      ...[...(spec.initContainers ?? []), ...spec.containers].flatMap((one) => containerProblems(where, one, spec)),
      ...(isJob ? [] : spec.containers.flatMap((one) => probeProblems(where, one))),
    ];
  });
};

type Labels = Readonly<Record<string, string>>;
const matches = (selector: Labels, labels: Labels): boolean =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);

/** What an object selects pods by; null when it selects none, or all. */
const selectorOf = ({ kind, spec }: Manifest): Labels | null => {
  const found = kind === 'Service' ? spec?.selector : (spec?.selector?.matchLabels ?? spec?.podSelector?.matchLabels);
  return (found as Labels | undefined) ?? null;
};

/** Services, budgets, policies and autoscalers that name what is not there. */
const selectorProblems = (manifests: readonly Manifest[]): string[] => {
  const pods = podsOf(manifests);
  const check = (manifest: Manifest, want: Want): void => {
    const { kind, metadata, spec } = manifest;
    want(metadata.namespace === 'tachograph', `is in namespace ${metadata.namespace}`);
    const selector = selectorOf(manifest);
    const chosen = selector === null ? [] : pods.filter(({ labels }) => matches(selector, labels));
    want(selector === null || chosen.length > 0, 'selects no pod');
    const ports = chosen.flatMap(({ spec: pod }) => pod.containers.flatMap((container) => container.ports ?? []));
    for (const { targetPort } of kind === 'Service' ? (spec?.ports ?? []) : [])
      want(
        ports.some(({ name }) => name === targetPort),
        `port ${targetPort} is none of its pods`,
      );
    for (const { port } of (spec?.ingress ?? []).flatMap((rule) => rule.ports ?? []))
      want(
        ports.some(({ containerPort }) => containerPort === port),
        `lets in to ${port}, where nothing listens`,
      );
    const target = spec?.scaleTargetRef?.name;
    want(target === undefined || pods.some(({ name }) => name === target), `scales ${target}, which is not there`);
  };
  return manifests
    .filter(({ kind }) => kind !== 'Namespace')
    .flatMap((manifest) => collect(`${manifest.kind} ${manifest.metadata.name}`, (want) => check(manifest, want)));
};

/** Everything that speaks against manifests, one sentence each; [] when nothing does. */
export const kubernetesProblems = (manifests: readonly Manifest[]): string[] => [
  ...manifests.flatMap((manifest) =>
    kubernetesSchemaProblems(manifest).map((problem) => `${manifest.kind} ${manifest.metadata.name}: ${problem}`),
  ),
  ...podProblems(manifests),
  ...selectorProblems(manifests),
];
