import { existsSync, readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { CONFIG, type Config } from './config-schema.ts';
import { ConfigError, type ConfigProblem } from './errors.ts';
import { resolveSinks } from './sink-config.ts';
import { readMigrations } from './store/migrate.ts';
import { expiringTables, planRetention } from './store/retention.ts';

type Environment = Readonly<Record<string, string | undefined>>;
type Tree = Record<string, Record<string, unknown>>;

/** Sections and their keys, as the schema has them: the environment may name no others. */
const SECTIONS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(CONFIG.shape).map(([name, section]) => [name, Object.keys(section.unwrap().shape)]),
);

/** Keys whose value may stand in a file of its own, named by `<key>_file`: mounted secrets. */
const SECRETS: readonly (readonly [section: string, key: string])[] = [
  ['clickhouse', 'password'],
  ['kafka', 'sasl_password'],
];

/**
 * Reads the YAML file (an absent default file is an empty one), lays the environment over it, and checks everything.
 * Throws `ConfigError` with every problem at once: key, value, what is allowed.
 */
export const loadConfig = (path: string | null, environment: Environment): Config => {
  const problems: ConfigProblem[] = [];
  const tree = readYaml(path, problems);
  overlayEnvironment(tree, environment, problems);
  const secretFiles = takeSecretFiles(tree, problems);
  for (const [section, key, value] of secretFiles) setKey(tree, section, key, value);
  const parsed = CONFIG.safeParse(tree);
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => problemOf(issue, tree)));
  if (parsed.success) problems.push(...unreadable(parsed.data), ...retentionOf(parsed.data).problems);
  const resolved = parsed.success ? resolveSinks(parsed.data.alerts.sinks, readText) : null;
  problems.push(...(resolved?.problems ?? []));
  if (problems.length > 0 || !parsed.success || resolved === null) throw new ConfigError(problems);
  return { ...parsed.data, alerts: { ...parsed.data.alerts, sinks: resolved.sinks } };
};

/** Days of every table, and what of it cannot be. */
export const retentionOf = ({ retention }: Config): ReturnType<typeof planRetention> =>
  planRetention(
    {
      spans: retention.spans_days,
      content: retention.content_days,
      ledger: retention.ledger_days,
      state: retention.state_days,
      tables: retention.tables,
      topicHours: retention.topic_hours,
    },
    expiringTables(readMigrations()),
  );

/** Certificates and keys that cannot be read: known before anything starts. */
const unreadable = ({ clickhouse, kafka }: Config): readonly ConfigProblem[] =>
  Object.entries({
    'clickhouse.tls_ca_file': clickhouse.tls_ca_file,
    'kafka.tls_ca_file': kafka.tls_ca_file,
    'kafka.tls_cert_file': kafka.tls_cert_file,
    'kafka.tls_key_file': kafka.tls_key_file,
  })
    .filter(([, file]) => file !== '' && readText(file) === null)
    .map(([key, file]) => ({ key, value: file, allowed: 'a file that can be read' }));

const readYaml = (path: string | null, problems: ConfigProblem[]): Tree => {
  const file = path ?? 'config/tachograph.yaml';
  if (!existsSync(file)) {
    if (path !== null) problems.push({ key: '--config', value: path, allowed: 'a file that exists' });
    return {};
  }
  const text = readText(file);
  if (text === null) {
    problems.push({ key: '--config', value: file, allowed: 'a file that can be read' });
    return {};
  }
  const document = parseDocument(text);
  for (const error of document.errors)
    problems.push({ key: `${file}:${error.linePos?.[0].line ?? 1}`, value: error.code, allowed: 'valid YAML' });
  const root: unknown = document.errors.length > 0 ? {} : (document.toJS() ?? {});
  const shaped = z.record(z.string(), z.record(z.string(), z.unknown()).nullable()).safeParse(root);
  if (!shaped.success) {
    problems.push({ key: file, value: JSON.stringify(root).slice(0, 80), allowed: 'sections, each with keys' });
    return {};
  }
  return Object.fromEntries(Object.entries(shaped.data).map(([name, section]) => [name, { ...section }]));
};

/** The text of a file; null when it is none or may not be read. */
const readText = (file: string): string | null => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
};

/** `TACHO_RECEIVER_HTTP_PORT=4318` → receiver.http_port. An unknown name with the prefix is a typing error: said so. */
const overlayEnvironment = (tree: Tree, environment: Environment, problems: ConfigProblem[]): void => {
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('TACHO_') || value === undefined || IGNORED.has(name)) continue;
    const path = pathOf(name);
    if (path === null) {
      // Its value stays unsaid: it may be a secret under a mistyped name.
      problems.push({
        key: name,
        value: 'unknown name',
        allowed: 'TACHO_<SECTION>_<KEY> of a key in config/tachograph.yaml',
      });
      continue;
    }
    setKey(tree, path.section, path.key, value);
  }
};

const setKey = (tree: Tree, section: string, key: string, value: unknown): void => {
  tree[section] = { ...tree[section], [key]: value };
};

/** Variables with our prefix that belong to tests and tools, not to the config. */
const IGNORED: ReadonlySet<string> = new Set([
  'TACHO_PEER_COLLECTOR',
  'TACHO_CONFIG',
  'TACHO_PARENT',
  'TACHO_TEST_REPORT',
]);

const pathOf = (name: string): { readonly section: string; readonly key: string } | null => {
  for (const [section, keys] of SECTIONS) {
    const prefix = `TACHO_${section.toUpperCase()}_`;
    if (!name.startsWith(prefix)) continue;
    const key = name.slice(prefix.length).toLowerCase();
    const isSecretFile = SECRETS.some(([s, k]) => s === section && `${k}_file` === key);
    if (keys.includes(key) || isSecretFile) return { section, key };
  }
  return null;
};

const takeSecretFiles = (tree: Tree, problems: ConfigProblem[]): (readonly [string, string, string])[] => {
  const found: (readonly [string, string, string])[] = [];
  for (const [section, key] of SECRETS) {
    const file = tree[section]?.[`${key}_file`];
    if (file === undefined) continue;
    delete tree[section]?.[`${key}_file`];
    const secret = typeof file === 'string' ? readText(file) : null;
    if (secret !== null) found.push([section, key, secret.trimEnd()]);
    else problems.push({ key: `${section}.${key}_file`, value: String(file), allowed: 'a readable file' });
  }
  return found;
};

const problemOf = (issue: z.core.$ZodIssue, tree: Tree): ConfigProblem => {
  const [section, key] = issue.path;
  const keys =
    issue.code === 'unrecognized_keys' ? issue.keys.map((k) => [...issue.path, k].join('.')).join(', ') : null;
  const value =
    section === undefined ? tree : key === undefined ? tree[String(section)] : tree[String(section)]?.[String(key)];
  // A list of sinks holds addresses and keys: no part of it is repeated on a screen.
  const isSecret = SECRETS.some(([s, k]) => s === section && k === key) || (section === 'alerts' && key === 'sinks');
  const known = section === undefined ? [...SECTIONS.keys()] : (SECTIONS.get(String(section)) ?? []);
  return {
    key: keys ?? issue.path.join('.'),
    value: keys !== null ? 'unknown key' : isSecret ? '(secret)' : (JSON.stringify(value) ?? 'nothing').slice(0, 120),
    allowed: keys !== null ? known.join(', ') : issue.message,
  };
};
