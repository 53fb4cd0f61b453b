import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import type { Json } from '../json.ts';
import { jsonOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import type { ContentPart } from '../step-facts.ts';
import { readMessages } from './messages.ts';

/** Message lists flattened into one attribute per field: `<list>.<n>.<path>` (OpenInference, OpenLLMetry before 0.27). */
const FLATTENED_KEY = /^(.{1,120}?(?:messages|prompts?|completions?|choices|documents))\.(\d{1,4})\.(.{1,200})$/;
const OUTPUT_LIST = /output|completion|choice|document/;
/** Path segments followed; a deeper one is not a message. */
const SEGMENTS_MAX = 12;

type Node = Map<string, Node | Json>;

/** Wrappers OpenInference puts around each entry of a list. */
const WRAPPERS = new Set(['message', 'tool_call', 'message_content', 'document']);

const place = (root: Node, path: readonly string[], value: Json): void => {
  let here = root;
  for (const segment of path.slice(0, -1)) {
    const next = here.get(segment);
    if (next instanceof Map) {
      here = next;
    } else {
      const made: Node = new Map();
      here.set(segment, made);
      here = made;
    }
  }
  here.set(path.at(-1) ?? '', value);
};

/** A node as JSON: numbered children become a list, a lone wrapper gives way to what it wraps, `contents` is `content`. */
const jsonOfNode = (node: Node | Json): Json => {
  if (!(node instanceof Map)) return node;
  const keys = [...node.keys()];
  const only = keys.length === 1 ? keys[0] : undefined;
  if (only !== undefined && WRAPPERS.has(only)) return jsonOfNode(node.get(only) ?? null);
  if (keys.every((key) => /^\d+$/.test(key))) {
    return keys.sort((a, b) => Number(a) - Number(b)).map((key) => jsonOfNode(node.get(key) ?? null));
  }
  return Object.fromEntries(
    keys.map((key) => [key === 'contents' ? 'content' : key, jsonOfNode(node.get(key) ?? null)]),
  );
};

/** Keys that are entries of a list: which, and the path in it. */
const ENTRIES = new KeyQuestion((keys) =>
  keys.flatMap((key, at) => {
    const match = FLATTENED_KEY.exec(key);
    if (match === null) return [];
    const [, list = '', index = '', rest = ''] = match;
    const segments = rest.split('.');
    return segments.length > SEGMENTS_MAX ? [] : [{ key, at, list, path: [index, ...segments] }];
  }),
);
const NOTHING = { content: [], keys: [] };

/** Messages of flattened lists, in the order of their numbers, and the attributes they came from. */
export const readFlattened = (
  view: SpanView,
): { readonly content: readonly ContentPart[]; readonly keys: readonly string[] } => {
  const entries = view.ask(ENTRIES);
  if (entries.length === 0) return NOTHING;
  const lists = new Map<string, Node>();
  const keys: string[] = [];
  for (const { key, at, list, path } of entries) {
    const value = view.at(at);
    if (value === undefined) continue;
    const root = lists.get(list) ?? new Map();
    lists.set(list, root);
    place(root, path, jsonOf(value));
    keys.push(key);
  }
  const content = [...lists].flatMap(([list, root]) => {
    const isOutput = OUTPUT_LIST.test(list);
    return readMessages(jsonOfNode(root), isOutput ? 'output' : 'input', isOutput ? 'assistant' : 'user');
  });
  return { content, keys };
};
