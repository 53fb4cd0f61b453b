/**
 * Trace export requests by the hundred thousand, the same bytes for the same arguments: recorded requests of real SDKs
 * with other ids in each pass, or made ones of a stated size.
 */
import { decodeTraces } from '../../schemas/otlp/decode.ts';
import { type Encodable, encodeTraces } from '../../schemas/otlp/encode.ts';
import type { AnyMap, AnyValue, OtlpSpan } from '../../schemas/otlp/types.ts';
import { captures } from '../support/captures.ts';
import { seeded } from '../support/random.ts';

/** One ExportTraceServiceRequest in protobuf. */
export interface Payload {
  readonly bytes: Buffer;
  readonly spans: number;
}

export const PAYLOAD_KINDS = ['captured', 'synthetic'] as const;
export type PayloadKind = (typeof PAYLOAD_KINDS)[number];

/** At least `spans` spans in requests of a kind; no two spans share an id. */
export const payloadsOf = (kind: PayloadKind, spans: number): Iterable<Payload> =>
  kind === 'captured' ? capturedPayloads(spans) : syntheticPayloads(spans);

const SEED = 20_261_121;

// ---- recorded requests ----

/** A recorded request and where ids stand in it. */
interface Template {
  readonly bytes: Buffer;
  readonly spans: number;
  readonly ids: readonly { readonly at: number; readonly length: number }[];
}

/** Field tag and length that stand before an id: trace_id = 1, span_id = 2, parent_span_id = 4 (trace.proto). */
const ID_FIELDS = [
  { tag: 0x0a, length: 16 },
  { tag: 0x12, length: 8 },
  { tag: 0x22, length: 8 },
] as const;

const templateOf = (bytes: Uint8Array): Template => {
  const decoded = decodeTraces(bytes);
  if (decoded.kind === 'refused') throw new Error(decoded.detail);
  const named = new Set(
    decoded.value.items.flatMap(({ item }) => [
      item.traceId,
      item.spanId,
      item.parentSpanId,
      ...item.links.flatMap((link) => [link.traceId, link.spanId]),
    ]),
  );
  const own = Buffer.from(bytes);
  const ids = [...named].flatMap((id) =>
    ID_FIELDS.filter(({ length }) => length === id.length / 2).flatMap(({ tag, length }) =>
      placesOf(own, Buffer.concat([Buffer.from([tag, length]), Buffer.from(id, 'hex')])).map((at) => ({
        at: at + 2,
        length,
      })),
    ),
  );
  return { bytes: own, spans: decoded.value.items.length, ids };
};

const placesOf = (bytes: Buffer, wanted: Buffer): readonly number[] => {
  const places: number[] = [];
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + wanted.length)) places.push(at);
  return places;
};

/** Every recorded protobuf trace request, pass after pass. */
function* capturedPayloads(spans: number): Generator<Payload> {
  const templates = captures()
    .filter(({ signal, contentType }) => signal === 'traces' && !contentType.includes('json'))
    .map(({ bytes }) => templateOf(bytes))
    .filter((template) => template.spans > 0);
  yield* upTo(spans, repeated(templates, SEED));
}

/** Made requests without end that start at `startNano`, cheap to make: the same few over and over with other ids. */
export const endlessPayloads = (seed: number, startNano: bigint): Iterable<Payload> =>
  repeated(
    [...syntheticPayloads(LIVE_TEMPLATES * SPANS_PER_REQUEST, startNano)].map(({ bytes }) => templateOf(bytes)),
    seed,
  );

/** Pass after pass; ids of one pass differ from those of any other by one mask, so a trace in several requests stays one. */
function* repeated(templates: readonly Template[], seed: number): Generator<Payload> {
  const random = seeded(seed);
  for (;;) {
    const mask = Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
    for (const template of templates) {
      const bytes = Buffer.from(template.bytes);
      for (const { at, length } of template.ids)
        for (let n = 0; n < length; n += 1) bytes[at + n] = (bytes[at + n] ?? 0) ^ (mask[n] ?? 0);
      yield { bytes, spans: template.spans };
    }
  }
}

function* upTo(spans: number, payloads: Iterable<Payload>): Generator<Payload> {
  let made = 0;
  for (const payload of payloads) {
    if (made >= spans) return;
    made += payload.spans;
    yield payload;
  }
}

// ---- made requests ----

/** As an SDK with its default batch sends under little load. */
const SPANS_PER_REQUEST = 50;
/** Enough that one pass is a second of load or so, few enough to be made in a moment. */
const LIVE_TEMPLATES = 40;
const SPANS_PER_TRACE = 10;
const START_NANO = 1_795_225_600_000_000_000n;
const WORDS =
  'the customer asks whether order can be changed after payment because parcel left warehouse agent reads policy answers with table of dates and prices then waits for consent before tool runs'.split(
    ' ',
  );

interface Maker {
  readonly upTo: (limit: number) => number;
  readonly hex: (digits: number) => string;
  readonly text: (chars: number) => string;
}

const makerOf = (random: () => number): Maker => {
  const upTo = (limit: number): number => Math.floor(random() * limit);
  const hex = (digits: number): string => {
    let text = '';
    while (text.length < digits)
      text += upTo(2 ** 32)
        .toString(16)
        .padStart(8, '0');
    return text.slice(0, digits);
  };
  const text = (chars: number): string => {
    let sentence = '';
    while (sentence.length < chars) sentence += `${WORDS[upTo(WORDS.length)]} `;
    return sentence.slice(0, chars);
  };
  return { upTo, hex, text };
};

const message = (role: string, content: string): string =>
  JSON.stringify([{ role, parts: [{ type: 'text', content }] }]);

/** What a model call, a tool call and an agent's own span say, by OpenTelemetry's GenAI conventions. */
const SAYS: readonly (readonly [
  name: string,
  kind: number,
  says: (m: Maker) => readonly (readonly [string, AnyValue])[],
])[] = [
  [
    'chat gpt-4o',
    3,
    (m) => [
      ['gen_ai.operation.name', 'chat'],
      ['gen_ai.request.model', 'gpt-4o'],
      ['gen_ai.response.model', 'gpt-4o-2024-08-06'],
      ['gen_ai.response.id', `chatcmpl-${m.hex(24)}`],
      ['gen_ai.request.temperature', 0.7],
      ['gen_ai.request.max_tokens', 1024],
      ['gen_ai.usage.input_tokens', 200 + m.upTo(4_000)],
      ['gen_ai.usage.output_tokens', 1 + m.upTo(900)],
      ['gen_ai.response.finish_reasons', ['stop']],
      ['gen_ai.input.messages', message('user', m.text(420))],
      ['gen_ai.output.messages', message('assistant', m.text(240))],
    ],
  ],
  [
    'execute_tool search_orders',
    1,
    (m) => [
      ['gen_ai.operation.name', 'execute_tool'],
      ['gen_ai.tool.name', 'search_orders'],
      ['gen_ai.tool.type', 'function'],
      ['gen_ai.tool.call.id', `call_${m.hex(24)}`],
      ['gen_ai.tool.call.arguments', JSON.stringify({ query: m.text(80), limit: m.upTo(50) })],
      ['gen_ai.tool.call.result', m.text(360)],
    ],
  ],
  ['invoke_agent planner', 1, () => [['gen_ai.operation.name', 'invoke_agent']]],
];

const attributesOf = (m: Maker, says: readonly (readonly [string, AnyValue])[], conversation: string): AnyMap =>
  new Map<string, AnyValue>([
    ...says,
    ['gen_ai.provider.name', 'openai'],
    ['gen_ai.conversation.id', conversation],
    ['gen_ai.agent.name', `planner-${m.upTo(40)}`],
    ['gen_ai.agent.id', `agent-${m.upTo(40)}`],
    ['gen_ai.agent.version', `1.${m.upTo(9)}`],
    ['user.id', `user-${m.upTo(5_000)}`],
    ['session.id', m.hex(16)],
    ['server.address', 'api.openai.com'],
    ['server.port', 443],
    ['app.release', `2026.11.${m.upTo(30)}`],
    ['app.shop', `shop-${m.upTo(20)}`],
    ['app.is_streaming', m.upTo(2) === 1],
    ['thread.id', 100_000 + m.upTo(9_000)],
    ['thread.name', `worker-${m.upTo(64)}`],
    ['workflow.step', m.upTo(30)],
  ]);

function* syntheticPayloads(spans: number, startNano: bigint = START_NANO): Generator<Payload> {
  const m = makerOf(seeded(SEED));
  const scope = { name: 'opentelemetry.instrumentation.openai', version: '0.47.2', attributes: new Map() };
  let trace = { traceId: '', rootId: '', conversation: '' };
  for (let serial = 0; serial < spans; ) {
    const resource = {
      attributes: new Map([
        ['service.name', `support-agent-${m.upTo(6)}`],
        ['service.version', '1.2.3'],
        ['deployment.environment.name', 'prod'],
        ['host.name', `host-${m.upTo(100)}`],
        ['k8s.pod.name', `pod-${m.upTo(300)}`],
        ['telemetry.sdk.language', 'python'],
        ['telemetry.sdk.name', 'opentelemetry'],
        ['telemetry.sdk.version', '1.38.0'],
      ]),
    };
    const items: Encodable<OtlpSpan>[] = [];
    for (; items.length < SPANS_PER_REQUEST && serial < spans; serial += 1) {
      const isRoot = serial % SPANS_PER_TRACE === 0;
      const spanId = m.hex(16);
      if (isRoot) trace = { traceId: m.hex(32), rootId: spanId, conversation: `conv-${m.upTo(1_000)}` };
      const [name, kind, says] = SAYS[serial % SAYS.length] ?? SAYS[0] ?? ['', 0, () => []];
      const startUnixNano = startNano + BigInt(serial) * 200_000n;
      const attributes = attributesOf(m, says(m), trace.conversation);
      items.push({
        resource,
        scope,
        item: {
          traceId: trace.traceId,
          spanId,
          parentSpanId: isRoot ? '' : trace.rootId,
          name,
          kind,
          startUnixNano,
          endUnixNano: startUnixNano + BigInt(m.upTo(3_000)) * 1_000_000n,
          attributes,
          events: [],
          links: [],
          statusCode: serial % 50 === 0 ? 2 : 1,
          statusMessage: '',
        },
      });
    }
    yield { bytes: Buffer.from(encodeTraces(items)), spans: items.length };
  }
}
