import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

export const root = resolve(import.meta.dirname, '..', '..');

/** What of a service of a compose file our checks look at. */
export interface ComposeService {
  image?: string;
  build?: unknown;
  user?: string;
  command?: string[];
  init?: boolean;
  read_only?: boolean;
  restart?: string;
  stop_grace_period?: string;
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  secrets?: (string | { source: string; target?: string })[];
  cap_drop?: string[];
  security_opt?: string[];
  healthcheck?: { disable?: boolean; test?: string[] };
  logging?: { options?: Record<string, string> };
  depends_on?: Record<string, { condition: string }>;
  deploy?: { resources?: { limits?: Record<string, unknown> } };
}

export interface Compose {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
  secrets: Record<string, { file: string }>;
}

/** Variables as compose replaces them: `${A}`, `${A:-default}`, `${A:?message}`, and `$$` for a dollar. */
export const interpolate = (text: string, variables: Readonly<Record<string, string>>): string =>
  text.replace(/\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}/g, (whole, name: string | undefined, kind?: string, rest = '') => {
    if (whole === '$$' || name === undefined) return '$';
    const value = variables[name] ?? '';
    if (value !== '') return value;
    if (kind === '?') throw new Error(`${name}: ${rest}`);
    return rest;
  });

const interpolateAll = (value: unknown, variables: Readonly<Record<string, string>>): unknown => {
  if (typeof value === 'string') return interpolate(value, variables);
  if (Array.isArray(value)) return value.map((item) => interpolateAll(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolateAll(item, variables)]));
};

/** A compose file with its variables replaced. */
export const readCompose = (file = 'docker-compose.yml', variables: Readonly<Record<string, string>> = {}): Compose => {
  const document: unknown = parse(readFileSync(join(root, file), 'utf8'), { merge: true });
  return interpolateAll(document, variables) as Compose;
};

/** Services of ours: those that run the image built here. */
export const ownServices = (compose: Compose): [string, ComposeService][] =>
  Object.entries(compose.services).filter(([, service]) => service.build !== undefined);
