import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { root } from './compose.ts';

export const KUBERNETES_DIR = join(root, 'deploy/kubernetes');

export interface Container {
  name: string;
  image?: string;
  args?: string[];
  env?: { name: string; value?: string }[];
  ports?: { name?: string; containerPort: number }[];
  livenessProbe?: { httpGet?: { path: string; port: string | number } };
  readinessProbe?: { httpGet?: { path: string; port: string | number } };
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: Record<string, unknown> & { capabilities?: { drop?: string[] } };
}

export interface Volume {
  name: string;
  configMap?: { name: string };
  secret?: { secretName: string; defaultMode?: number; items?: { key: string; path: string }[] };
  emptyDir?: { sizeLimit?: string };
}

export interface PodSpec {
  automountServiceAccountToken?: boolean;
  serviceAccountName?: string;
  securityContext?: Record<string, unknown>;
  terminationGracePeriodSeconds?: number;
  initContainers?: Container[];
  containers: Container[];
  volumes?: Volume[];
}

type Labels = Readonly<Record<string, string>>;

/** An object of a manifest, as far as our checks look at it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Labels };
  data?: Record<string, string>;
  spec?: {
    replicas?: number;
    selector?: Labels & { matchLabels?: Labels };
    podSelector?: { matchLabels?: Labels };
    ports?: { name: string; port: number; targetPort: string | number }[];
    ingress?: { ports?: { port: number }[] }[];
    template?: { metadata: { labels: Labels }; spec: PodSpec };
    scaleTargetRef?: { kind: string; name: string };
  };
}

/** The objects of one manifest file. YAML as kubectl reads it: version 1.1. */
export const parseManifests = (text: string): Manifest[] =>
  parseAllDocuments(text, { version: '1.1' }).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as Manifest;
  });

/** Manifest files of deploy/kubernetes, without the kustomization. */
export const manifestFiles = (): string[] =>
  readdirSync(KUBERNETES_DIR).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');

/** Every object of deploy/kubernetes. */
export const readManifests = (): Manifest[] =>
  manifestFiles().flatMap((name) => parseManifests(readFileSync(join(KUBERNETES_DIR, name), 'utf8')));

export const readKustomization = (): { resources: string[]; images: { name: string; newTag: string }[] } =>
  parse(readFileSync(join(KUBERNETES_DIR, 'kustomization.yaml'), 'utf8'));

/** Pods a manifest describes: its name, its labels, and what is in it. */
export const podsOf = (manifests: readonly Manifest[]) =>
  manifests.flatMap(({ kind, metadata, spec }) =>
    spec?.template === undefined
      ? []
      : [{ kind, name: metadata.name, labels: spec.template.metadata.labels, spec: spec.template.spec }],
  );
