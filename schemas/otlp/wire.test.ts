import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { captures } from '../../test/support/captures.ts';
import { decodeTraces } from './decode.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/** What of opentelemetry-proto 1.x the oracle compares. */
const PROTO = `syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message Scope { string name = 1; string version = 2; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { oneof value { string s = 1; bool b = 2; int64 i = 3; double d = 4; ArrayValue a = 5; KvList k = 6; bytes y = 7; } }
message ArrayValue { repeated AnyValue values = 1; }
message KvList { repeated KeyValue values = 1; }
message Event { fixed64 time = 1; string name = 2; repeated KeyValue attributes = 3; }
message Status { string message = 2; int32 code = 3; }
message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent = 4; string name = 5; int32 kind = 6;
  fixed64 start = 7; fixed64 end = 8; repeated KeyValue attributes = 9; repeated Event events = 11; Status status = 15; }`;

interface OracleSpan {
  readonly traceId: string;
  readonly name?: string;
  readonly kind?: number;
  readonly start?: string;
  readonly attributes?: readonly { key: string; value?: object }[];
  readonly events?: readonly object[];
  readonly status?: { readonly code?: number };
}

describe('the protobuf reader', () => {
  test('agrees with protobufjs on recorded payloads', () => {
    const type = protobuf.parse(PROTO).root.lookupType('Request');
    for (const { name, bytes } of captures().filter((c) => c.signal === 'traces' && c.name.endsWith('.bin'))) {
      const oracle = type.toObject(type.decode(bytes), { longs: String, bytes: String });
      const spans: OracleSpan[] = oracle['resourceSpans'].flatMap((r: { scopeSpans: { spans: OracleSpan[] }[] }) =>
        r.scopeSpans.flatMap((s) => s.spans),
      );
      const decoded = decodeTraces(bytes);
      const ours = decoded.kind === 'ok' ? decoded.value.items.map((i) => i.item) : [];
      const facts = spans.map((s) => [
        Buffer.from(s.traceId, 'base64').toString('hex'),
        s.name ?? '',
        s.kind ?? 0,
        s.start ?? '0',
        [...new Set((s.attributes ?? []).map((a) => a.key))],
        (s.events ?? []).length,
        s.status?.code ?? 0,
      ]);
      expect(
        ours.map((s) => [
          s.traceId,
          s.name,
          s.kind,
          String(s.startUnixNano),
          [...s.attributes.keys()],
          s.events.length,
          s.statusCode,
        ]),
        name,
      ).toEqual(facts);
    }
  });

  test('reads every 64-bit integer as it was written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const out = new WireWriter();
        out.int64(value);
        const reader = new WireReader(out.finish());
        expect(BigInt(reader.int64())).toBe(value);
        expect(reader.fault).toBeNull();
      }),
      {
        examples: [
          [0n],
          [-1n],
          [2n ** 53n],
          [-(2n ** 53n)],
          [2n ** 63n - 1n],
          [-(2n ** 63n)],
          [2n ** 32n],
          [2n ** 31n],
        ],
      },
    );
  });

  test('steps over unknown fields and groups, and refuses broken ones', () => {
    const faultOf = (...bytes: number[]) => {
      const reader = new WireReader(Uint8Array.from(bytes));
      while (reader.more()) reader.skip(reader.tag());
      return reader.fault?.reason ?? null;
    };
    expect(faultOf(0x53, 0x08, 0x01, 0x54)).toBeNull(); // group 10 { field 1 = 1 }
    expect(faultOf(0x53, 0x5b, 0x5c, 0x54)).toBeNull(); // a group in a group
    expect(faultOf(0x53, 0x08, 0x01)).toBe('malformed_protobuf'); // never closed
    expect(faultOf(0x53, 0x5c)).toBe('malformed_protobuf'); // closed by another
    expect(faultOf(0x54)).toBe('malformed_protobuf'); // closed, never opened
    expect(faultOf(...Array.from({ length: 100_000 }, () => 0x53))).toBe('too_deep');
    expect(faultOf(0x0e)).toBe('malformed_protobuf'); // wire type 6
    expect(faultOf(0x02, 0x00)).toBe('malformed_protobuf'); // field 0
    expect(faultOf(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f)).toBe('malformed_protobuf'); // 4 GiB announced
    expect(faultOf(0x08, ...Array.from({ length: 11 }, () => 0x80), 0x01)).toBe('malformed_protobuf'); // endless varint
  });

  test('keeps a span whose text is not UTF-8, and refuses one nested beyond the limit, alone', () => {
    const id = (size: number) => Array.from({ length: size }, () => 1);
    const ids = [0x0a, 16, ...id(16), 0x12, 8, ...id(8)];
    const nested = (levels: number): Uint8Array => {
      let value: Uint8Array = Uint8Array.of(0x0a, 0);
      for (let i = 0; i < levels; i++) {
        const out = new WireWriter();
        const array = out.open(5);
        out.blob(1, value);
        out.close(array);
        value = out.finish();
      }
      return value;
    };
    const withAttribute = (levels: number): Uint8Array => {
      const out = new WireWriter();
      out.raw(Uint8Array.from(ids));
      const attribute = out.open(9);
      out.blob(2, nested(levels));
      out.close(attribute);
      return out.finish();
    };
    const out = new WireWriter();
    const resource = out.open(1);
    const scope = out.open(2);
    out.blob(2, Uint8Array.from([...ids, 0x2a, 2, 0x61, 0xff]));
    out.blob(2, withAttribute(63));
    out.blob(2, withAttribute(64));
    out.blob(2, withAttribute(5000));
    out.close(scope);
    out.close(resource);
    const decoded = decodeTraces(out.finish());
    expect(decoded.kind === 'ok' && decoded.value.items.map((i) => i.item.name)).toEqual(['a\ufffd', '']);
    expect(decoded.kind === 'ok' && decoded.value.refusals.map((r) => [r.index, r.reason])).toEqual([
      [2, 'too_deep'],
      [3, 'too_deep'],
    ]);
  });
});
