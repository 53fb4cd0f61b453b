import fc from 'fast-check';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { callOf, stepOf } from './step-fixture.ts';

/** Made-up steps of one run, and the ways they may arrive, for the ledger's properties. */

/** Small ranges on purpose: twins, equal figures, shared parents and shared response ids must be common. */
const callArbitrary = fc.record({
  role: fc.constantFrom('leaf' as const, 'leaf' as const, 'leaf' as const, 'wrapper' as const),
  outcome: fc.constantFrom('ok' as const, 'ok' as const, 'failed' as const),
  input_tokens: fc.constantFrom(null, 0, 100, 200, 300),
  cache_read_tokens: fc.constantFrom(null, null, 100),
  output_tokens: fc.constantFrom(null, 0, 10, 20, 30),
  reasoning_tokens: fc.constantFrom(null, null, 10),
  untold: fc.subarray(['cache_read', 'reasoning']),
  estimated: fc.constantFrom(false, false, true),
  quantities: fc.constantFrom({}, {}, { images: 2 }),
  reported_cost_usd: fc.constantFrom(null, '0.5'),
});

const stepArbitrary = fc.record({
  parent: fc.nat({ max: 9 }),
  signal: fc.constantFrom('span' as const, 'span' as const, 'log' as const),
  step_kind: fc.constantFrom('llm' as const, 'llm' as const, 'agent' as const, 'tool' as const, 'other' as const),
  start: fc.nat({ max: 5 }),
  length: fc.nat({ max: 4 }),
  scope_name: fc.constantFrom('a', 'b', 'c'),
  // One that believes its log records, one whose calls tell what ran inside them.
  family: fc.constantFrom('test', 'test', 'codex', 'openai-agents'),
  response_id: fc.constantFrom(null, null, 'r1', 'r2'),
  request_model: fc.constantFrom('gpt-5', 'claude-haiku-4-5', 'nobody-knows', null),
  response_model: fc.constantFrom(null, 'gpt-5-2025-08-07'),
  agent_name: fc.constantFrom(null, null, 'triage', 'refunds'),
  session_id: fc.constantFrom(null, null, 's1', 's2'),
  labels: fc.constantFrom({}, { team: 'x' }, { z: '1', a: '2' }),
  call: fc.option(callArbitrary, { freq: 4 }),
});

const buildStep = (at: number, draw: typeof stepArbitrary extends fc.Arbitrary<infer T> ? T : never): AgentStep => {
  const { parent, start, length, call, ...rest } = draw;
  const above = parent === 9 ? '' : `s${parent}`;
  const isLog = draw.signal === 'log';
  return stepOf(`s${at}`, {
    ...rest,
    log_offset: at,
    provider: 'openai',
    span_id: isLog ? above : `s${at}`,
    parent_span_id: isLog ? '' : above,
    start_unix_micros: 1_795_000_000_000_000 + start * 1_000_000,
    end_unix_micros: 1_795_000_000_000_000 + (start + length) * 1_000_000,
    call: call === null ? null : callOf(call),
  });
};

/** Any steps. */
const anySteps = fc
  .array(stepArbitrary, { minLength: 1, maxLength: 8 })
  .map((draws) => draws.map((draw, at) => buildStep(at, draw)));

/** A call that tells the sum of calls inside it, of which some tell nothing: drawn freely that hardly ever comes. */
const sumOfSilent = fc
  .record({ outer: stepArbitrary, call: callArbitrary, inner: fc.array(stepArbitrary, { minLength: 2, maxLength: 4 }) })
  .map(({ outer, call, inner }) => [
    buildStep(0, { ...outer, parent: 9, signal: 'span', step_kind: 'llm', call: { ...call, role: 'leaf' } }),
    ...inner.map((draw, at) =>
      buildStep(at + 1, {
        ...draw,
        ...{ parent: 0, signal: 'span', scope_name: 'c', family: 'test', response_id: null },
        call: { ...call, role: 'leaf', input_tokens: null, cache_read_tokens: null, output_tokens: null },
      }),
    ),
  ])
  .map((steps) =>
    steps.map((step, at) =>
      at === 0 || step.call === null
        ? step
        : { ...step, call: { ...step.call, reasoning_tokens: null, quantities: {} } },
    ),
  );

/** Steps in some order, some of them twice (again, or as a copy with other facts), in batches of some size. */
export const arrivals = fc
  .oneof({ arbitrary: anySteps, weight: 3 }, { arbitrary: sumOfSilent, weight: 1 })
  .chain((steps) =>
    fc.record({
      steps: fc.constant(steps),
      order: fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2, maxLength: steps.length * 2 }),
      copied: fc.subarray(steps),
      cuts: fc.array(fc.nat({ max: 4 }), { maxLength: 12 }),
    }),
  );

/** Cuts what arrives into batches of these lengths; what is left is the last one. */
export const split = (steps: readonly AgentStep[], cuts: readonly number[]): readonly (readonly AgentStep[])[] => {
  const batches: (readonly AgentStep[])[] = [];
  let from = 0;
  for (const cut of cuts) {
    if (from >= steps.length) break;
    batches.push(steps.slice(from, from + cut));
    from += cut;
  }
  return [...batches, steps.slice(from)].filter((batch) => batch.length > 0);
};
