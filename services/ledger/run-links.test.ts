import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { runKeyOf } from '../../schemas/identity.ts';
import { llmOf, type Ran, runBatches, stepOf } from './step-fixture.ts';

const LINK = { trace_id: 'trace-elsewhere', span_id: 'a1' };

const told = ({ links }: Ran): readonly string[] =>
  [...new Set(links.map((link) => [link['reason'], link['root_run_id'], link['session_id']].join(' ')))].sort();

test('a span link joins the run it names, and a hand-off says so', () => {
  const ran = runBatches([
    [
      llmOf('a', 1, 1, { links: [LINK] }),
      stepOf('b', { step_kind: 'agent', links: [{ ...LINK, trace_id: 'trace-before' }] }),
    ],
  ]);
  expect(told(ran)).toEqual(['hand_off trace-before ', 'span_link trace-elsewhere ']);
  expect(ran.links[0]).toMatchObject({ tenant_id: 'acme', run_id: 'run-1', batch_id: 'batch-0' });
});

test('a conversation is joined under the run its records without a trace have', () => {
  const ran = runBatches([[stepOf('a', { session_id: 's-1', service: 'shop' })]]);
  expect(told(ran)).toEqual([`conversation ${runKeyOf('acme', '', 'shop', 's-1')} s-1`]);
  const itself = runKeyOf('acme', '', 'shop', 's-1');
  const step = stepOf('a', { session_id: 's-1', service: 'shop', run_id: itself });
  expect(runBatches([[step]], undefined, undefined, `acme|${itself}`).links).toEqual([]);
});

test('both sides of an MCP request name the same run, whatever their traces', () => {
  const facts = { 'mcp.session': 'm-1', 'jsonrpc.request': '7' };
  const [client, server] = ['run-1', 'run-2'].map((run_id) =>
    runBatches([[stepOf('a', { run_id, facts })]], undefined, undefined, `acme|${run_id}`),
  );
  expect(client && told(client)).toEqual(server && told(server));
  expect(client?.links[0]).toMatchObject({ reason: 'mcp_call' });
});

test('a link to the own trace, a step without one, and nothing told link nothing', () => {
  const own = stepOf('a', { links: [{ trace_id: 'run-1', span_id: 'x' }], session_id: '' });
  expect(runBatches([[own, stepOf('b', { facts: { 'mcp.session': 'm' } })]]).links).toEqual([]);
});

test('a link is written once while its run is held', () => {
  const steps = ['a', 'b', 'c'].map((id) => stepOf(id, { session_id: 's-1', links: [LINK] }));
  expect(runBatches(steps.map((step) => [step])).links).toHaveLength(2);
});

const SEED = Number(process.env['SEED'] ?? 61);
test(`whatever the order, the repetitions and the batches, the same links and scores are told (seed ${SEED})`, () => {
  const kinds = fc.constantFrom('llm', 'agent', 'eval', 'tool');
  const step = (id: string) =>
    fc
      .record({
        step_kind: kinds,
        session_id: fc.constantFrom(null, 's-1', 's-2'),
        links: fc.subarray([LINK, { trace_id: 'run-1', span_id: 'b' }]),
        facts: fc.constantFrom({}, { 'evaluation.name': 'ok', 'evaluation.value': '0.5' }),
      })
      .map((facts) => stepOf(id, facts));
  const arrivals = fc
    .tuple(...['a', 'b', 'c', 'd', 'e'].map(step))
    .chain((steps) =>
      fc.tuple(
        fc.constant(steps),
        fc.shuffledSubarray([...steps, ...steps], { minLength: 10, maxLength: 10 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 10 }),
      ),
    );
  const scored = ({ scores }: Ran) => scores.map((score) => String(score['score_id'])).sort();
  fc.assert(
    fc.property(arrivals, ([steps, order, cuts]) => {
      const plain = runBatches([steps]);
      const other = runBatches(cut(order, cuts));
      expect(told(other)).toEqual(told(plain));
      expect(scored(other)).toEqual(scored(plain));
    }),
    { seed: SEED, numRuns: 300 },
  );
});

const cut = (steps: readonly AgentStep[], sizes: readonly number[]): readonly (readonly AgentStep[])[] => {
  const batches: (readonly AgentStep[])[] = [];
  let from = 0;
  for (const size of sizes) {
    batches.push(steps.slice(from, from + size));
    from += size;
  }
  return [...batches, steps.slice(from)].filter((batch) => batch.length > 0);
};
