import { attr, requestOf } from '../support/hostile.ts';

const id = (digits: number, nth: number): string => nth.toString(16).padStart(digits, 'a');

/**
 * An export request (OTLP/JSON) of an agent that does what rules forbid: the same call of a tool ten times, a key in its
 * arguments, a model that nobody approved; with a twin of a span and a span whose id is none. Its times end at `endMs`.
 */
export const rogueRequest = (endMs: number): string => {
  const traceId = id(32, 7);
  const span = (nth: number, name: string, attributes: readonly object[]) => {
    const endNano = BigInt(endMs - 1_000 * (20 - nth)) * 1_000_000n;
    return {
      ...{ traceId, spanId: id(16, nth), ...(nth === 1 ? {} : { parentSpanId: id(16, 1) }), name, kind: 1 },
      startTimeUnixNano: String(endNano - 500_000_000n),
      endTimeUnixNano: String(endNano),
      attributes,
    };
  };
  const tool = (nth: number, args: string) =>
    span(nth, 'execute_tool shell', [
      attr('gen_ai.operation.name', 'execute_tool'),
      attr('gen_ai.tool.name', 'shell'),
      attr('gen_ai.agent.name', 'rogue'),
      attr('gen_ai.tool.call.arguments', args),
    ]);
  const agent = span(1, 'invoke_agent rogue', [
    attr('gen_ai.operation.name', 'invoke_agent'),
    attr('gen_ai.agent.name', 'rogue'),
  ]);
  const model = span(2, 'chat gpt-4o', [
    attr('gen_ai.operation.name', 'chat'),
    attr('gen_ai.provider.name', 'openai'),
    attr('gen_ai.request.model', 'gpt-4o'),
    attr('gen_ai.usage.input_tokens', 150_000),
    attr('gen_ai.usage.output_tokens', 70_000),
  ]);
  const loop = Array.from({ length: 11 }, (_, nth) => tool(3 + nth, '{"command":"cat /etc/passwd"}'));
  const secret = tool(
    14,
    '{"command":"curl -H \'Authorization: Bearer sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD\'"}',
  );
  return requestOf([agent, model, ...loop, secret, model, { ...agent, spanId: 'none' }], attr('service.name', 'rogue'));
};
