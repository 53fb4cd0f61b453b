import { createHash } from 'node:crypto';
import { isAnyMap } from '../../schemas/otlp/attribute-list.ts';
import type { AnyMap, AnyValue, OtlpItem, OtlpLogRecord, OtlpSpan } from '../../schemas/otlp/types.ts';

/** How one play differs from the recording. */
export interface Play {
  /** Anything; the same salt gives the same ids. */
  readonly salt: string;
  /** Nanoseconds since 1970: the earliest time of the recording, and where the play puts it. */
  readonly recordedStartNano: bigint;
  readonly startNano: bigint;
  /** A recorded second becomes this many seconds: the model servers of the recording answered at once. */
  readonly stretch: number;
  /** Card numbers and keys of the recording are masked, as a careful tool would; else they are played as recorded. */
  readonly isCareful: boolean;
}

/** A recorded request with its items decoded. */
export type RecordedRequest =
  | { readonly signal: 'traces'; readonly items: readonly OtlpItem<OtlpSpan>[] }
  | { readonly signal: 'logs'; readonly items: readonly OtlpItem<OtlpLogRecord>[] };

/** Keys whose values are identities of one play: sessions, conversations, responses, calls. */
const ID_KEY =
  /(session|conversation|thread|response|call|request|prompt|interaction|turn|run|chat|invocation|event)[._]?_?id$/i;
/** Shorter values are words or counters; replacing them inside texts would spoil the texts. */
const ID_LENGTH_MIN = 6;

/** Values of identity keys anywhere in the recording; they are salted wherever they occur, also inside JSON texts. */
export const collectIds = (requests: readonly RecordedRequest[]): readonly string[] => {
  const ids = new Set<string>();
  const visit = (value: AnyValue, key: string): void => {
    if (typeof value === 'string' && isId(key, value)) ids.add(value);
    else if (Array.isArray(value)) for (const inner of value) visit(inner, key);
    else if (isAnyMap(value)) for (const [name, inner] of value) visit(inner, name);
  };
  for (const request of requests)
    for (const { item, resource } of request.items) {
      visit(item.attributes, '');
      visit(resource.attributes, '');
      if ('body' in item) visit(item.body, '');
    }
  // Longest first: an id that contains another one is replaced whole.
  return [...ids].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
};

const isId = (key: string, value: string): boolean =>
  ID_KEY.test(key) && value.length >= ID_LENGTH_MIN && /^[\w.:@-]+$/.test(value);

/** The recording as one play of it: every id salted, every time moved and stretched, secrets masked. Else texts and figures stay. */
export const rewrite = (request: RecordedRequest, ids: readonly string[], play: Play): RecordedRequest => {
  const words = wordsOf(ids, play);
  if (request.signal === 'traces')
    return { signal: 'traces', items: request.items.map((item) => ({ ...item, ...rewriteSpan(item, words, play) })) };
  return { signal: 'logs', items: request.items.map((item) => ({ ...item, ...rewriteLog(item, words, play) })) };
};

interface Words {
  readonly pattern: RegExp | null;
  readonly replace: (id: string) => string;
}

/** The secrets of the recordings (the well-known test card, the example key of AWS) and what a careful tool gives back. */
const SECRETS: ReadonlyMap<string, string> = new Map([
  ['4111 1111 1111 1111', 'ending in 1111'],
  ['4111111111111111', 'ending in 1111'],
  ['AKIAIOSFODNN7EXAMPLE', 'withheld'],
]);

const wordsOf = (ids: readonly string[], { salt, isCareful }: Play): Words => {
  const found = [...ids, ...(isCareful ? SECRETS.keys() : [])];
  return {
    pattern:
      found.length === 0
        ? null
        : new RegExp(found.map((id) => id.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g'),
    replace: (id) => SECRETS.get(id) ?? `${id}-${hex(salt, id, 6)}`,
  };
};

const hex = (salt: string, text: string, length: number): string =>
  createHash('sha256').update(`${salt}/${text}`).digest('hex').slice(0, length);

const saltId = (salt: string, id: string): string => (id === '' ? '' : hex(salt, id, id.length));

/** Moves a time; 0 means "not told" in OTLP and stays 0. */
const moveNano = (play: Play, nano: bigint): bigint => {
  if (nano === 0n) return 0n;
  const sinceMicros = Number((nano - play.recordedStartNano) / 1000n);
  return play.startNano + BigInt(Math.round(sinceMicros * play.stretch)) * 1000n;
};

const rewriteSpan = ({ item, resource }: OtlpItem<OtlpSpan>, words: Words, play: Play) => ({
  resource: { attributes: rewriteMap(resource.attributes, words) },
  item: {
    ...item,
    traceId: saltId(play.salt, item.traceId),
    spanId: saltId(play.salt, item.spanId),
    parentSpanId: saltId(play.salt, item.parentSpanId),
    startUnixNano: moveNano(play, item.startUnixNano),
    endUnixNano: moveNano(play, item.endUnixNano),
    attributes: rewriteMap(item.attributes, words),
    events: item.events.map((event) => ({
      ...event,
      timeUnixNano: moveNano(play, event.timeUnixNano),
      attributes: rewriteMap(event.attributes, words),
    })),
    links: item.links.map((link) => ({
      ...link,
      traceId: saltId(play.salt, link.traceId),
      spanId: saltId(play.salt, link.spanId),
    })),
  },
});

const rewriteLog = ({ item, resource }: OtlpItem<OtlpLogRecord>, words: Words, play: Play) => ({
  resource: { attributes: rewriteMap(resource.attributes, words) },
  item: {
    ...item,
    traceId: saltId(play.salt, item.traceId),
    spanId: saltId(play.salt, item.spanId),
    timeUnixNano: moveNano(play, item.timeUnixNano),
    observedUnixNano: moveNano(play, item.observedUnixNano),
    attributes: rewriteMap(item.attributes, words),
    body: rewriteValue(item.body, words),
  },
});

const rewriteMap = (map: AnyMap, words: Words): AnyMap =>
  new Map([...map].map(([key, value]) => [key, rewriteValue(value, words)]));

const rewriteValue = (value: AnyValue, words: Words): AnyValue => {
  if (typeof value === 'string') return words.pattern === null ? value : value.replace(words.pattern, words.replace);
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return value;
  if (isAnyMap(value)) return rewriteMap(value, words);
  return Array.isArray(value) ? value.map((inner: AnyValue) => rewriteValue(inner, words)) : value;
};

/** Earliest and latest time of a recording in nanoseconds since 1970; null when it has none. */
export const timeRange = (
  requests: readonly RecordedRequest[],
): { readonly start: bigint; readonly end: bigint } | null => {
  const times = requests.flatMap((request): bigint[] =>
    request.signal === 'traces'
      ? request.items.flatMap(({ item }) => [item.startUnixNano, item.endUnixNano])
      : request.items.flatMap(({ item }) => [item.timeUnixNano === 0n ? item.observedUnixNano : item.timeUnixNano]),
  );
  const told = times.filter((time) => time > 0n);
  if (told.length === 0) return null;
  return { start: told.reduce((a, b) => (a < b ? a : b)), end: told.reduce((a, b) => (a > b ? a : b)) };
};
