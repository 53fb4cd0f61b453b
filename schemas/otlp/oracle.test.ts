import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { arbitraryTraces } from '../../test/support/arbitrary-otlp.ts';
import { decodeTraces } from './decode.ts';
import type { AnyMap, AnyValue, OtlpItem, OtlpSpan } from './types.ts';

/**
 * opentelemetry-proto 1.x, trace/v1, with `bytes` where it says `string`: what becomes of bytes that are no UTF-8 is for
 * the reader to say, and libraries differ there.
 */
const PROTO = `syntax = "proto3";
message Request { repeated ResourceSpans r = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans s = 2; bytes url = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped = 2; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; bytes url = 3; }
message Scope { bytes name = 1; bytes version = 2; repeated KeyValue attributes = 3; uint32 dropped = 4; }
message KeyValue { bytes key = 1; AnyValue value = 2; }
message AnyValue { oneof value { bytes s = 1; bool b = 2; int64 i = 3; double d = 4; ArrayValue a = 5; KvList k = 6; bytes y = 7; } }
message ArrayValue { repeated AnyValue values = 1; }
message KvList { repeated KeyValue values = 1; }
message Event { fixed64 time = 1; bytes name = 2; repeated KeyValue attributes = 3; uint32 dropped = 4; }
message Link { bytes trace = 1; bytes span = 2; bytes state = 3; repeated KeyValue attributes = 4; uint32 dropped = 5; fixed32 flags = 6; }
message Status { bytes message = 2; int32 code = 3; }
message Span { bytes trace = 1; bytes span = 2; bytes state = 3; bytes parent = 4; bytes name = 5; int32 kind = 6;
  fixed64 start = 7; fixed64 end = 8; repeated KeyValue attributes = 9; uint32 da = 10; repeated Event events = 11;
  uint32 de = 12; repeated Link links = 13; uint32 dl = 14; Status status = 15; fixed32 flags = 16; }`;
const TYPE = protobuf.parse(PROTO).root.lookupType('Request');

type Tree = { readonly [key: string]: unknown };
const listOf = (value: unknown): readonly Tree[] => (value ?? []) as readonly Tree[];
const text = (value: unknown): string => (value === undefined ? '' : Buffer.from(value as Uint8Array).toString('utf8'));
const hex = (value: unknown): string => {
  const id = value === undefined ? '' : Buffer.from(value as Uint8Array).toString('hex');
  return /^0*$/.test(id) ? '' : id;
};

/** An id of another length points nowhere. */
const linkId = (value: unknown, size: number): string => (hex(value).length === 2 * size ? hex(value) : '');

/** A value as a text, the same from both sides. Whole numbers of both kinds are one: so are they to us. */
const numberText = (value: bigint | number): string => (Object.is(value, -0) ? '-0' : `n${value}`);
const ours = (value: AnyValue): unknown => {
  if (value === undefined) return 'absent';
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'boolean') return `b${value}`;
  if (typeof value !== 'object') return numberText(value);
  if (value instanceof Uint8Array) return `y${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(ours);
  return oursOf(value as AnyMap);
};
const oursOf = (map: AnyMap) => [...map].map(([key, value]) => [key, ours(value)]);

const theirs = (value: unknown): unknown => {
  const said = (value ?? {}) as Tree;
  const [kind] = Object.keys(said);
  const inner = kind === undefined ? undefined : said[kind];
  if (kind === 's') return `s${text(inner)}`;
  if (kind === 'b') return `b${inner}`;
  if (kind === 'i') return numberText(BigInt(String(inner)));
  if (kind === 'd') return numberText(Number(inner));
  if (kind === 'y') return `y${Buffer.from(inner as Uint8Array).toString('hex')}`;
  if (kind === 'a') return listOf((inner as Tree)['values']).map(theirs);
  return kind === 'k' ? theirsOf((inner as Tree)['values']) : 'absent';
};
/** A repeated key keeps its place and has the last value. */
const theirsOf = (list: unknown) => [
  ...new Map(listOf(list).map((pair): [string, unknown] => [text(pair['key']), theirs(pair['value'])])),
];

const spanOfOurs = ({ item, scope, resource }: OtlpItem<OtlpSpan>) => ({
  ids: [item.traceId, item.spanId, item.parentSpanId],
  name: item.name,
  numbers: [item.kind, item.statusCode, item.startUnixNano, item.endUnixNano].map(String),
  message: item.statusMessage,
  attributes: oursOf(item.attributes),
  events: item.events.map((event) => [String(event.timeUnixNano), event.name, oursOf(event.attributes)]),
  links: item.links.map((link) => [link.traceId, link.spanId, oursOf(link.attributes)]),
  scope: [scope.name, scope.version, oursOf(scope.attributes)],
  resource: oursOf(resource.attributes),
});

const spanOfTheirs = (span: Tree, scope: Tree, resource: Tree) => {
  const status = (span['status'] ?? {}) as Tree;
  return {
    ids: [hex(span['trace']), hex(span['span']), hex(span['parent'])],
    name: text(span['name']),
    numbers: [span['kind'] ?? 0, status['code'] ?? 0, span['start'] ?? 0, span['end'] ?? 0].map(String),
    message: text(status['message']),
    attributes: theirsOf(span['attributes']),
    events: listOf(span['events']).map((event) => [
      String(event['time'] ?? 0),
      text(event['name']),
      theirsOf(event['attributes']),
    ]),
    links: listOf(span['links']).map((link) => [
      linkId(link['trace'], 16),
      linkId(link['span'], 8),
      theirsOf(link['attributes']),
    ]),
    scope: [text(scope['name']), text(scope['version']), theirsOf(scope['attributes'])],
    resource: theirsOf(resource['attributes']),
  };
};

/** What protobufjs reads, or null when it refuses the whole. */
const oracle = (bytes: Uint8Array) => {
  try {
    const tree: Tree = TYPE.toObject(TYPE.decode(bytes), { longs: String });
    return listOf(tree['r']).flatMap((group) =>
      listOf(group['s']).flatMap((inner) =>
        listOf(inner['spans']).map((span) =>
          spanOfTheirs(span, (inner['scope'] ?? {}) as Tree, (group['resource'] ?? {}) as Tree),
        ),
      ),
    );
  } catch {
    return null;
  }
};

// ------------------------------------------------- a writer that writes what no SDK does, and every reader must read

type Noise = () => number;
const noiseOf = (seed: number): Noise => {
  let state = seed | 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) % 1_000;
  };
};
/** 64 bits as the library takes them. */
const longOf = (value: bigint) => ({
  low: Number(BigInt.asIntN(32, value)),
  high: Number(BigInt.asIntN(32, value >> 32n)),
  unsigned: false,
});
const utf8 = (value: string): Buffer => Buffer.from(value, 'utf8');

/** Fields nobody knows, of every wire type, groups among them; and those of the schema that are not read. */
const unknownField = (writer: protobuf.Writer, noise: Noise): void => {
  const field = 100 + noise();
  const kind = noise() % 6;
  if (kind === 0) writer.uint32(field << 3).uint64(noise() * 1e9);
  else if (kind === 1) writer.uint32((field << 3) | 1).fixed64(noise());
  else if (kind === 2) writer.uint32((field << 3) | 2).bytes(Buffer.alloc(noise() % 20, 0xff));
  else if (kind === 3) writer.uint32((field << 3) | 5).fixed32(noise());
  else if (kind === 4)
    writer.uint32((field << 3) | 2).bytes(Uint8Array.of(1, 2, 3)); // packed numbers look so
  else
    writer
      .uint32((field << 3) | 3)
      .uint32((7 << 3) | 0)
      .uint32(noise())
      .uint32((field << 3) | 4);
};
const maybe = (writer: protobuf.Writer, noise: Noise): void => {
  if (noise() < 120) unknownField(writer, noise);
};
/** Now and then bytes that are no UTF-8. */
const textBytes = (value: string, noise: Noise): Buffer =>
  noise() < 40 ? Buffer.concat([utf8(value), Buffer.from([0xc3, 0x28, 0xff, 0xe2, 0x82])]) : utf8(value);

const writeValue = (writer: protobuf.Writer, value: AnyValue, noise: Noise): void => {
  maybe(writer, noise);
  if (value === undefined) return;
  if (typeof value === 'string') writer.uint32(10).bytes(textBytes(value, noise));
  else if (typeof value === 'boolean') writer.uint32(16).bool(value);
  else if (typeof value === 'bigint') writer.uint32(24).int64(longOf(value));
  else if (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0))
    writer.uint32(24).int64(value);
  else if (typeof value === 'number') writer.uint32(33).double(value);
  else if (value instanceof Uint8Array) writer.uint32(58).bytes(value);
  else if (Array.isArray(value)) {
    writer.uint32(42).fork();
    for (const one of value as readonly AnyValue[]) {
      writer.uint32(10).fork();
      writeValue(writer, one, noise);
      writer.ldelim();
    }
    writer.ldelim();
  } else {
    writer.uint32(50).fork();
    writePairs(writer, 1, value as AnyMap, noise);
    writer.ldelim();
  }
};
const writePairs = (writer: protobuf.Writer, field: number, map: AnyMap, noise: Noise): void => {
  for (const [key, value] of map) {
    const isSwapped = noise() < 100;
    for (const isAgain of noise() < 60 ? [false, true] : [true]) {
      writer.uint32((field << 3) | 2).fork();
      if (!isSwapped) writer.uint32(10).bytes(utf8(key));
      maybe(writer, noise);
      writer.uint32(18).fork();
      writeValue(writer, isAgain ? value : 'an earlier value', noise);
      writer.ldelim();
      if (isSwapped) writer.uint32(10).bytes(utf8(key));
      writer.ldelim();
    }
    maybe(writer, noise);
  }
};
const writeSpan = (writer: protobuf.Writer, span: OtlpSpan, noise: Noise): void => {
  maybe(writer, noise);
  writer.uint32(10).bytes(Buffer.from(span.traceId, 'hex'));
  writer.uint32(18).bytes(Buffer.from(span.spanId, 'hex'));
  writer.uint32(26).bytes(utf8('state=1'));
  if (span.parentSpanId !== '') writer.uint32(34).bytes(Buffer.from(span.parentSpanId, 'hex'));
  if (noise() < 50) writer.uint32(42).bytes(utf8('an earlier name'));
  writer.uint32(42).bytes(textBytes(span.name, noise));
  writer.uint32(48).int32(noise() < 30 ? -1 : span.kind);
  writer.uint32(57).fixed64(longOf(span.startUnixNano));
  writer.uint32(65).fixed64(longOf(span.endUnixNano));
  writePairs(writer, 9, span.attributes, noise);
  for (const event of span.events) {
    writer.uint32(90).fork().uint32(9).fixed64(longOf(event.timeUnixNano));
    writer.uint32(18).bytes(textBytes(event.name, noise));
    writePairs(writer, 3, event.attributes, noise);
    writer.ldelim();
  }
  for (const link of span.links) {
    writer.uint32(106).fork().uint32(10).bytes(Buffer.from(link.traceId, 'hex'));
    writer.uint32(18).bytes(Buffer.from(link.spanId, 'hex'));
    writePairs(writer, 4, link.attributes, noise);
    writer.ldelim();
  }
  // A message in two parts is one: protobuf merges them.
  writer.uint32(122).fork().uint32(18).bytes(utf8(span.statusMessage)).ldelim();
  writer.uint32(122).fork().uint32(24).int32(span.statusCode).ldelim();
  writer.uint32((16 << 3) | 5).fixed32(257);
};
const writeRequest = (items: readonly OtlpItem<OtlpSpan>[], noise: Noise): Uint8Array => {
  const writer = protobuf.Writer.create();
  for (const { item, scope, resource } of items) {
    writer.uint32(10).fork();
    writer.uint32(10).fork();
    writePairs(writer, 1, resource.attributes, noise);
    writer.ldelim();
    maybe(writer, noise);
    writer.uint32(18).fork().uint32(10).fork().uint32(10).bytes(textBytes(scope.name, noise));
    writer.uint32(18).bytes(textBytes(scope.version, noise));
    writePairs(writer, 3, scope.attributes, noise);
    writer.ldelim();
    writer.uint32(18).fork();
    writeSpan(writer, item, noise);
    writer.ldelim().ldelim().ldelim();
    maybe(writer, noise);
  }
  return writer.finish();
};

const seeds = fc.integer();

describe('the decoder against protobufjs', () => {
  test('reads whatever a protobuf writer may write as the library reads it', () => {
    fc.assert(
      fc.property(arbitraryTraces, seeds, (items, seed) => {
        const bytes = writeRequest(items, noiseOf(seed));
        const decoded = decodeTraces(bytes, 'protobuf');
        const expected = oracle(bytes);
        expect(decoded.kind === 'ok' && decoded.value.refusals).toEqual([]);
        expect(decoded.kind === 'ok' && decoded.value.items.map(spanOfOurs)).toEqual(expected);
        expect(expected).toHaveLength(items.length);
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });

  test('takes nothing of bytes that were cut or changed which the library would not read so', () => {
    let read = 0;
    fc.assert(
      fc.property(arbitraryTraces, seeds, fc.boolean(), (items, seed, isCut) => {
        const noise = noiseOf(seed);
        const whole = Buffer.from(writeRequest(items, noise));
        if (whole.length === 0) return;
        const at = (noise() * 1_000 + noise()) % whole.length;
        const bytes = isCut ? whole.subarray(0, at) : whole;
        if (!isCut) whole[at] = (whole[at] ?? 0) ^ (1 << (noise() % 8));
        const decoded = decodeTraces(bytes, 'protobuf');
        const expected = oracle(bytes);
        // An item that is refused stands beside the others; the library knows only the whole.
        if (decoded.kind !== 'ok' || decoded.value.refusals.length > 0 || expected === null) return;
        read += 1;
        expect(decoded.value.items.map(spanOfOurs)).toEqual(expected);
      }),
      { numRuns: 600, endOnFailure: true },
    );
    expect(read).toBeGreaterThan(50);
  });
});
