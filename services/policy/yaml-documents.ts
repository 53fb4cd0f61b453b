import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from 'yaml';
import type { RuleProblem } from './problem.ts';
import { type ScalarStyle, sourceOffset } from './scalar-place.ts';

/** A line and a column, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A path into a document: keys and indexes, outermost first. */
export type YamlPath = readonly (string | number)[];

/** One document of a rule file with the places of its values. */
export interface YamlDocument {
  readonly file: string;
  readonly value: unknown;
  /** Of the value at `path`, or of the nearest thing around it that exists. With `offset`: of that character of its text. */
  readonly placeOf: (path: YamlPath, offset?: number) => Place;
  /** Of the key at `path` instead of its value. */
  readonly keyPlaceOf: (path: YamlPath) => Place;
}

/** Deeper nesting has no meaning in a rule, and exhausts the stack of whoever walks it. */
const DEPTH_MAX = 24;
/** A rule file describes a few rules. */
const DOCUMENTS_MAX = 500;
/** A broken file has one reason and many consequences. */
const PROBLEMS_MAX = 20;

/** Reads the documents of a file, or says everything that is wrong with it as YAML. Empty documents are left out. */
export const readYaml = (
  file: string,
  text: string,
): { readonly documents: readonly YamlDocument[]; readonly problems: readonly RuleProblem[] } => {
  const lines = new LineCounter();
  const all = parse(text, lines);
  if (all === null)
    return { documents: [], problems: [{ file, line: 1, column: 1, message: 'nested too deeply to be read' }] };
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (all.length > DOCUMENTS_MAX)
    return { documents: [], problems: [{ file, line: 1, column: 1, message: `at most ${DOCUMENTS_MAX} documents` }] };
  const problems: RuleProblem[] = [];
  const documents: YamlDocument[] = [];
  for (const document of all) {
    const found = [
      ...document.errors.map((error) => ({ offset: error.pos[0], message: reasonOf(error.message) })),
      ...structureProblems(document.contents),
    ];
    for (const { offset, message } of found.slice(0, PROBLEMS_MAX)) {
      problems.push({ file, ...place(offset), message });
    }
    if (found.length > 0 || document.contents === null) continue;
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    if (value === null) continue;
    documents.push({ file, value, ...placesOf(document.contents, text, place) });
  }
  return { documents, problems };
};

/** Double keys are looked for below, and places made of offsets: the library's ways cost the square of the file. */
const OPTIONS = { uniqueKeys: false, prettyErrors: false, merge: false, version: '1.2' } as const;

/** null: the parser, which recurses, came to the end of the stack (a file of nothing but `[`). */
const parse = (text: string, lineCounter: LineCounter): readonly Document.Parsed[] | null => {
  try {
    const parsed = parseAllDocuments(text, { lineCounter, ...OPTIONS });
    return Array.isArray(parsed) ? parsed : [];
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
};

const reasonOf = (message: string): string =>
  /call stack|Stack overflow/.test(message) ? 'nested too deeply to be read' : (message.split('\n')[0] ?? '');

interface Found {
  readonly offset: number;
  readonly message: string;
}

const keyProblem = (name: string, seen: ReadonlySet<string>): string | null => {
  // Checks of shape would leave it out in silence.
  if (name === '__proto__') return 'no key is called __proto__';
  return seen.has(name) ? `the key ${name} stands twice` : null;
};

/** Aliases (a small file can unfold to gigabytes), double keys, keys that are no text, too deep nesting. */
const structureProblems = (contents: unknown): readonly Found[] => {
  const found: Found[] = [];
  if (!isNode(contents)) return found;
  visit(contents, {
    Alias: (_key, node) => {
      found.push({ offset: startOf(node), message: 'anchors and aliases are not allowed: write the value out' });
    },
    Map: (_key, node) => {
      const seen = new Set<string>();
      for (const pair of node.items) {
        const { key } = pair;
        if (!isScalar(key) || typeof key.value === 'object') {
          found.push({ offset: startOf(isNode(key) ? key : node), message: 'a key must be a text' });
          continue;
        }
        const name = String(key.value);
        const message = keyProblem(name, seen);
        if (message !== null) found.push({ offset: startOf(key), message });
        seen.add(name);
      }
    },
    Node: (_key, node, path) => {
      if (path.length <= DEPTH_MAX * 2) return undefined;
      found.push({ offset: startOf(node), message: `nested more than ${DEPTH_MAX} levels deep` });
      return visit.BREAK;
    },
  });
  return found;
};

const startOf = (node: Node): number => node.range?.[0] ?? 0;

const placesOf = (contents: Node, text: string, place: (offset: number) => Place) => {
  const nodeAt = (path: YamlPath): { readonly node: Node; readonly key: Node | null } => {
    let node: Node = contents;
    let key: Node | null = null;
    for (const step of path) {
      const next = childOf(node, step);
      if (next === null) break;
      node = next.node;
      key = next.key;
    }
    return { node, key };
  };
  return {
    placeOf: (path: YamlPath, offset?: number): Place => {
      const { node } = nodeAt(path);
      if (offset === undefined || !isScalar(node) || typeof node.value !== 'string') return place(startOf(node));
      const style = (node.type ?? 'PLAIN') as ScalarStyle;
      return place(sourceOffset(text, startOf(node), style, node.value, offset));
    },
    keyPlaceOf: (path: YamlPath): Place => {
      const { node, key } = nodeAt(path);
      return place(startOf(key ?? node));
    },
  };
};

const childOf = (node: Node, step: string | number): { readonly node: Node; readonly key: Node | null } | null => {
  if (isAlias(node) || isScalar(node)) return null;
  if (isMap(node)) {
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
    if (pair === undefined || !isNode(pair.key)) return null;
    return { node: isNode(pair.value) ? pair.value : pair.key, key: pair.key };
  }
  const item = 'items' in node && typeof step === 'number' ? node.items[step] : undefined;
  return isNode(item) ? { node: item, key: null } : null;
};
