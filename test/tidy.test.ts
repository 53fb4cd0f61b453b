import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const SKIP: ReadonlySet<string> = new Set(['node_modules', '.git', '.cache', '.tacho', 'dist', 'fixtures']);

const filesBelow = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) => {
    if (SKIP.has(name)) return [];
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });

const all = filesBelow(root).map((path) => relative(root, path));
const sources = all.filter(
  (path) => path.endsWith('.ts') && /^(schemas|services|test|dashboards|emitter)\//.test(path),
);
const production = sources.filter((path) => !path.endsWith('.test.ts') && !path.startsWith('test/'));
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Relative imports of a file, as paths from the root. */
const importsOf = (path: string): string[] =>
  [...textOf(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) =>
    relative(root, resolve(root, dirname(path), match[1] ?? '')),
  );

const offenders = (paths: readonly string[], pattern: RegExp): string[] =>
  paths.flatMap((path) =>
    withoutComments(textOf(path))
      .split('\n')
      .flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  );

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, '')).replace(/(^|\s)\/\/.*$/gm, '$1');

const serviceOf = (path: string): string | null => /^services\/([^/]+)\//.exec(path)?.[1] ?? null;

/** Folders under services/ that put services together, and so may import them. */
const COMPOSERS: ReadonlySet<string> = new Set(['commands']);
/** What a service's files may take from runtime: shapes and pure pieces, never an adapter. */
const RUNTIME_SHAPES: readonly RegExp[] = [
  /^services\/runtime\/(ports|outbound|errors|access|pipeline|metrics|otlp-sender)\.ts$/,
  /^services\/runtime\/stream\/(types|time|intent|fold-task|dead-letters)\.ts$/,
  /^services\/runtime\/http\//,
  // Text to values and the lines of what is wrong, pure: every file of the config folder is read alike.
  /^services\/runtime\/yaml-file\.ts$/,
  // The gRPC transport stands beside the HTTP one: a service that listens takes either.
  /^services\/runtime\/grpc\//,
];

describe('who may import whom', () => {
  test('schemas import nothing of ours but schemas', () => {
    const wrong = production
      .filter((path) => path.startsWith('schemas/'))
      .flatMap((path) =>
        importsOf(path)
          .filter((target) => !target.startsWith('schemas/'))
          .map((target) => `${path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test('runtime imports only schemas and runtime', () => {
    const wrong = production
      .filter((path) => serviceOf(path) === 'runtime')
      .flatMap((path) =>
        importsOf(path)
          .filter((target) => !target.startsWith('schemas/') && serviceOf(target) !== 'runtime')
          .map((target) => `${path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test('services never import each other, and take only shapes from runtime', () => {
    const wrong = production.flatMap((path) => {
      const service = serviceOf(path);
      if (service === null || service === 'runtime' || COMPOSERS.has(service)) return [];
      return importsOf(path)
        .filter((target) => !isAllowed(service, target))
        .map((target) => `${path} → ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test('dashboards import nothing of ours but dashboards: they know the store by its tables', () => {
    const wrong = production
      .filter((path) => path.startsWith('dashboards/'))
      .flatMap((path) =>
        importsOf(path)
          .filter((target) => !target.startsWith('dashboards/'))
          .map((target) => `${path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test('the emitter imports only itself, schemas, and the one file that keeps a warning of kafkajs from agents', () => {
    const shared = 'services/runtime/event-log/kafka-warnings.ts';
    const wrong = production
      .filter((path) => path.startsWith('emitter/'))
      .flatMap((path) =>
        importsOf(path)
          .filter((target) => !/^(emitter|schemas)\//.test(target) && target !== shared)
          .map((target) => `${path} → ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  const isAllowed = (service: string, target: string): boolean =>
    target.startsWith('schemas/') ||
    serviceOf(target) === service ||
    RUNTIME_SHAPES.some((shape) => shape.test(target)) ||
    target === 'package.json';
});

describe('the world', () => {
  test('only main.ts reads the environment', () => {
    const inside = production.filter((path) => path !== 'services/main.ts');
    expect(offenders(inside, /process\.env\b/)).toEqual([]);
  });

  test('clock, timers, network and randomness live in runtime only, and in the one file of the emitter', () => {
    const outside = production.filter(
      (path) =>
        serviceOf(path) !== 'runtime' &&
        // The emitter runs in processes of others and has a world of its own, in one file.
        !['services/main.ts', 'emitter/src/world.ts'].includes(path) &&
        !/\/assets\//.test(path),
    );
    const pattern =
      /\bDate\.now\(|\bnew Date\(\)|\bset(Timeout|Interval|Immediate)\(|(?<![.\w])fetch\(|Math\.random\(|\brandomUUID\(/;
    expect(offenders(outside, pattern)).toEqual([]);
  });
});

describe('names and files', () => {
  test('file names are kebab-case and say something', () => {
    const wrong = sources.filter((path) => {
      const name = basename(path).replace(/\.(test|bench)?\.?ts$/, '');
      return (
        !/^[a-z0-9]+(-[a-z0-9]+)*(\.config|\.test|\.bench)?$/.test(name) || /^(utils?|helpers?|common|misc)$/.test(name)
      );
    });
    expect(wrong).toEqual([]);
  });

  test('every exported function of production code is documented', () => {
    const wrong = production.flatMap((path) => {
      const lines = textOf(path).split('\n');
      return lines.flatMap((line, at) => {
        const isFunction =
          /^export (async )?function\*? \w+/.test(line) ||
          /^export const \w+(: [^=]+)? = (async )?(<[^>]+>)?\(/.test(line);
        if (!isFunction) return [];
        return (lines[at - 1] ?? '').trimEnd().endsWith('*/') ? [] : [`${path}:${at + 1}: ${line.slice(0, 80)}`];
      });
    });
    expect(wrong).toEqual([]);
  });

  test('no leftovers', () => {
    const own = sources.filter((path) => path !== 'test/tidy.test.ts');
    expect(offenders(own, /\b(describe|test|it)\.(only|skip|todo)\(|@ts-ignore|@ts-expect-error|biome-ignore/)).toEqual(
      [],
    );
    expect(own.filter((path) => /\b(TODO|FIXME|XXX)\b/.test(textOf(path)))).toEqual([]);
  });

  test('no machine path and no registry host in any tracked text', () => {
    const texts = all.filter((path) => /\.(ts|mjs|json|yaml|yml|md|sql|html|css|sh)$/.test(path) || path === '.ci/run');
    const wrong = texts.filter(
      (path) =>
        path !== 'test/tidy.test.ts' &&
        /\/work\/|\/root\/|"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/.test(textOf(path)),
    );
    expect(wrong).toEqual([]);
  });

  test('the lock file holds every platform of the embedded engine (else: node bin/complete-lock.mjs)', () => {
    const lock = JSON.parse(textOf('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const wanted = Object.keys(lock.packages['node_modules/chdb']?.optionalDependencies ?? {});
    expect(wanted.length).toBeGreaterThan(0);
    expect(wanted.filter((name) => lock.packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });

  test('DDL files are numbered without gap', () => {
    const numbers = all
      .filter((path) => /^schemas\/sql\/.*\.sql$/.test(path))
      .map((path) => Number(basename(path).slice(0, 4)));
    expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, at) => at + 1));
  });
});

describe('registries', () => {
  /** Files of a folder that declare a thing of the given type and are not named in the registry. */
  const unregistered = (registry: string, folder: string, type: RegExp): string[] => {
    const text = textOf(registry);
    return production.filter(
      (path) =>
        dirname(path) === folder &&
        path !== registry &&
        type.test(textOf(path)) &&
        !text.includes(`./${basename(path)}`),
    );
  };

  test('every route of the API stands in its registry', () => {
    const registry = 'services/api/routes/registry.ts';
    expect(unregistered(registry, 'services/api/routes', /^export const \w+: readonly Route\[\]/m)).toEqual([]);
  });

  test('every price source stands in its registry', () => {
    const registry = 'services/ledger/prices/registry.ts';
    expect(unregistered(registry, 'services/ledger/prices', /^export const create\w+ = \(\): PriceSource\b/m)).toEqual(
      [],
    );
  });

  test('every convention stands in its registry', () => {
    expect(
      unregistered(
        'services/normalizer/conventions/registry.ts',
        'services/normalizer/conventions',
        /^export const \w+: Convention\b/m,
      ),
    ).toEqual([]);
  });
});
