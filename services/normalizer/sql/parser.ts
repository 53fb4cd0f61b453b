import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { assert } from '../../runtime/errors.ts';

/** The part of the platform's WebAssembly that is used; its types come with a browser's, which this is none. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** What the build of the parser for WebAssembly exports, as far as it is used here. */
interface ParserExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly __wbindgen_start: () => void;
  readonly __wbindgen_malloc: (sizeBytes: number, align: number) => number;
  readonly __wbindgen_free: (place: number, sizeBytes: number, align: number) => void;
  readonly __externref_table_dealloc: (index: number) => void;
  /** → place and length of JSON; index of an error, and whether there is one. */
  readonly parse_sql_to_json_string: (
    dialect: number,
    dialectBytes: number,
    sql: number,
    sqlBytes: number,
  ) => readonly [place: number, sizeBytes: number, error: number, isError: number];
}

/** Compiled once, at the first statement: 3.5 MB that a process without SQL never reads. */
let compiled: object | null = null;
let running: ParserExports | null = null;

const PARSER = '@guanmingchiu/sqlparser-ts';

const compile = (): object => {
  const entry = createRequire(import.meta.url).resolve(PARSER);
  return new WebAssembly.Module(readFileSync(new URL('../wasm/sqlparser_rs_wasm_bg.wasm', `file://${entry}`)));
};

/** Everything the parser could ask of its host serves errors, which are not read: nothing is given. */
const NOTHING: object = new Proxy({}, { get: () => new Proxy({}, { get: () => () => undefined }) });

/**
 * The package's own binding keeps one instance for ever, and one statement that overflows its stack spoils that for all
 * later ones. So the instance is ours: after a trap the next statement gets a fresh one, and answers never depend on
 * what was parsed before.
 */
const start = (): ParserExports => {
  compiled ??= compile();
  const exports = new WebAssembly.Instance(compiled, NOTHING).exports;
  assert('parse_sql_to_json_string' in exports, 'the SQL parser has another shape');
  const parser = exports as unknown as ParserExports;
  parser.__wbindgen_start();
  return parser;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A statement list as the tree of datafusion-sqlparser-rs, one entry a statement; null when it is no SQL of the dialect. */
export const parseSql = (dialect: string, sql: string): readonly unknown[] | null => {
  running ??= start();
  try {
    return parseWith(running, dialect, sql);
  } catch {
    running = null;
    return null;
  }
};

const parseWith = (parser: ParserExports, dialect: string, sql: string): readonly unknown[] | null => {
  const [dialectAt, dialectBytes] = put(parser, dialect);
  const [sqlAt, sqlBytes] = put(parser, sql);
  const [place, sizeBytes, error, isError] = parser.parse_sql_to_json_string(dialectAt, dialectBytes, sqlAt, sqlBytes);
  if (isError !== 0) {
    parser.__externref_table_dealloc(error);
    return null;
  }
  const json = decoder.decode(new Uint8Array(parser.memory.buffer, place >>> 0, sizeBytes >>> 0));
  parser.__wbindgen_free(place, sizeBytes, 1);
  const tree: unknown = JSON.parse(json);
  return Array.isArray(tree) ? tree : null;
};

/** The callee frees what it is given. */
const put = (parser: ParserExports, text: string): readonly [place: number, sizeBytes: number] => {
  const bytes = encoder.encode(text);
  const place = parser.__wbindgen_malloc(bytes.length, 1) >>> 0;
  new Uint8Array(parser.memory.buffer, place, bytes.length).set(bytes);
  return [place, bytes.length];
};
