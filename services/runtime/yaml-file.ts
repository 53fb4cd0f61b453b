import { type Document, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import type { ConfigProblem } from './errors.ts';

/** What a file of the config folder says, or everything that is wrong with it, each with file and line. */
export type YamlRead<T> =
  | {
      readonly kind: 'ok';
      readonly value: T;
      readonly lineOf: (path: readonly PropertyKey[]) => number;
      /** `line`, or `line:column` where the shape asks for columns. */
      readonly placeOf: (path: readonly PropertyKey[]) => string;
    }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] };

export interface YamlShape<S extends z.ZodType> {
  readonly schema: S;
  /** What an empty file, or one that is all comments, says. */
  readonly empty: unknown;
  /** What such a file holds, in words. */
  readonly noun: string;
  /** The keys allowed below a path, in words. */
  readonly keysAt: (path: readonly PropertyKey[]) => string;
  /** Looks at values as they are written, before they become numbers. */
  readonly prepare?: (document: Document) => void;
  /** Problems name the column as well. */
  readonly hasColumns?: boolean;
}

/** Reads the text of a file. `file` is how problems name it. */
export const readYaml = <S extends z.ZodType>(
  file: string,
  yaml: string,
  shape: YamlShape<S>,
): YamlRead<z.output<S>> => {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      key: `${file}:${error.linePos?.[0].line ?? 1}${shape.hasColumns === true ? `:${error.linePos?.[0].col ?? 1}` : ''}`,
      value: error.code,
      allowed: 'valid YAML',
    }));
    return { kind: 'wrong', problems };
  }
  shape.prepare?.(document);
  const root = parsedValue(document, shape.empty);
  if (root === null)
    return { kind: 'wrong', problems: [{ key: file, value: 'too many aliases', allowed: shape.noun }] };
  const posOf = (path: readonly PropertyKey[]): { readonly line: number; readonly col: number } => {
    for (let length = path.length; length > 0; length -= 1) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : null;
      if (Array.isArray(range)) return lines.linePos(Number(range[0]));
    }
    return { line: 1, col: 1 };
  };
  const lineOf = (path: readonly PropertyKey[]): number => posOf(path).line;
  const placeOf = (path: readonly PropertyKey[]): string => {
    const { line, col } = posOf(path);
    return shape.hasColumns === true ? `${line}:${col}` : String(line);
  };
  const parsed = shape.schema.safeParse(root);
  if (parsed.success) return { kind: 'ok', value: parsed.data, lineOf, placeOf };
  const told = (issue: z.core.$ZodIssue): readonly ConfigProblem[] =>
    problemsOf(file, issue, root, placeOf, shape.keysAt);
  return { kind: 'wrong', problems: parsed.error.issues.flatMap(told) };
};

/** null when aliases would make a small text into a huge value. */
const parsedValue = (document: Document, empty: unknown): unknown => {
  try {
    return document.toJS() ?? empty;
  } catch {
    return null;
  }
};

const problemsOf = (
  file: string,
  issue: z.core.$ZodIssue,
  root: unknown,
  placeOf: (path: readonly PropertyKey[]) => string,
  keysAt: (path: readonly PropertyKey[]) => string,
): readonly ConfigProblem[] => {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      key: `${file}:${placeOf([...issue.path, key])} ${[...issue.path, key].join('.')}`,
      value: 'unknown key',
      allowed: keysAt(issue.path),
    }));
  return [
    {
      key: `${file}:${placeOf(issue.path)} ${issue.path.join('.')}`,
      value: shown(valueAt(root, issue.path)).slice(0, 120),
      allowed: issue.message,
    },
  ];
};

/** YAML can refer to itself; JSON cannot. */
const shown = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? 'nothing';
  } catch {
    return 'a list within itself';
  }
};

const valueAt = (root: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (node, key) => (typeof node === 'object' && node !== null ? Reflect.get(node, key) : undefined),
    root,
  );
