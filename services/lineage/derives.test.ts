import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { type StepTouch, touchFacts } from '../../schemas/step-touch.ts';
import { stepOf } from '../ledger/step-fixture.ts';
import { netEdges, runBatches } from './run-fixture.ts';

const touch = (way: 'reads' | 'writes', name: string, more: Partial<StepTouch> = {}): StepTouch => ({
  way,
  kind: 'dataset',
  namespace: null,
  name,
  statement: 0,
  flags: [],
  operation: null,
  columns: [],
  ...more,
});

/** A step that touches things from one time to another. */
const touching = (
  id: string,
  [start, end]: readonly [number, number],
  touches: readonly StepTouch[],
  more: Partial<AgentStep> = {},
): AgentStep =>
  stepOf(id, {
    step_kind: 'tool',
    tool_name: `tool-${id}`,
    start_unix_micros: start,
    end_unix_micros: end,
    ...more,
    facts: { ...touchFacts(touches), ...more.facts },
  });

const agent = (id: string): AgentStep =>
  stepOf(id, { step_kind: 'agent', agent_name: id, start_unix_micros: 0, end_unix_micros: 1_000 });

const edgesOf = (...steps: readonly AgentStep[]) =>
  netEdges(runBatches(steps.map((step) => [step])).rows).filter(({ edge }) => edge === 'derives');
const derived = (...steps: readonly AgentStep[]): readonly string[] =>
  edgesOf(...steps)
    .map(({ from_id, to_id, evidence_level, flags }) => `${from_id} → ${to_id} ${[evidence_level, ...flags].join(' ')}`)
    .sort();

describe('what was read before what was written', () => {
  test('is told in order of time, and as context within the conversation of one agent', () => {
    const steps = [
      agent('one'),
      agent('two'),
      touching('r', [10, 20], [touch('reads', 'a')], { parent_span_id: 'one' }),
      touching('v', [20, 30], [touch('writes', 'b')], { parent_span_id: 'one' }),
      touching('w', [40, 50], [touch('writes', 'c')], { parent_span_id: 'two' }),
    ];
    expect(derived(...steps)).toEqual(['a → b context', 'a → c order']);
    expect(derived(...[...steps].reverse())).toEqual(['a → b context', 'a → c order']);
  });

  test('begins where the reading ended: what is still being read is not yet known', () => {
    const read = touching('r', [10, 30], [touch('reads', 'a')]);
    expect(derived(read, touching('w', [29, 40], [touch('writes', 'b')]))).toEqual([]);
    expect(derived(read, touching('w', [30, 40], [touch('writes', 'b')]))).toEqual(['a → b order']);
  });

  test('is told by the first writing that may have used it', () => {
    const writes = [5, 25, 35].map((start) => touching(`w${start}`, [start, start + 1], [touch('writes', 'b')]));
    const [edge] = edgesOf(touching('r', [10, 20], [touch('reads', 'a')]), ...writes);
    expect(edge?.ts).toBe('1970-01-01 00:00:00.000025');
  });

  test('a value that came out of the one and went into the other proves more', () => {
    const gave = { facts: { 'prints.out': '0123456789ab,aaaaaaaaaaaa' } };
    const took = { facts: { 'prints.in': '0123456789ab' } };
    const steps = [
      touching('r', [10, 20], [touch('reads', 'a')], gave),
      touching('s', [10, 20], [touch('reads', 'other')]),
      touching('w', [30, 40], [touch('writes', 'b')], took),
    ];
    expect(derived(...steps)).toEqual(['a → b value', 'other → b order']);
  });

  test('a client below a tool is heard through the arguments and the result of that tool', () => {
    const client = (id: string, parent: string, at: number, one: StepTouch) =>
      touching(id, [at, at + 1], [one], { step_kind: 'other', tool_name: null, parent_span_id: parent });
    const steps = [
      touching('r', [10, 20], [], { facts: { 'prints.out': '0123456789ab' } }),
      client('rc', 'r', 12, touch('reads', 'a')),
      touching('w', [30, 40], [], { facts: { 'prints.in': '0123456789ab' } }),
      client('wc', 'w', 32, touch('writes', 'b')),
    ];
    expect(derived(...steps)).toEqual(['a → b value']);
  });

  test('one statement says itself what goes where, and nothing of the other statements', () => {
    const step = touching(
      's',
      [10, 20],
      [
        touch('writes', 'b'),
        touch('reads', 'a'),
        touch('writes', 'd', { statement: 1 }),
        touch('reads', 'c', { statement: 1 }),
      ],
    );
    expect(derived(step)).toEqual(['a → b value', 'c → d value']);
  });

  test('nothing flows from what failed, into itself, or out of what was never read', () => {
    const failed = touching('f', [1, 2], [touch('reads', 'x')], { status: 'error' });
    const same = [touching('r', [10, 20], [touch('reads', 'b')]), touching('w', [30, 40], [touch('writes', 'b')])];
    expect(derived(failed, ...same)).toEqual([]);
    const told = netEdges(runBatches([[failed]]).rows).find(({ edge }) => edge === 'reads');
    expect([told?.to_id, told?.flags]).toEqual(['x', ['failed']]);
  });

  test('beyond the number kept, what was written derives from anything', () => {
    const reads = Array.from({ length: 70 }, (_, at) =>
      touching(
        `r${at}`,
        [at, at + 1],
        Array.from({ length: 30 }, (_, n) => touch('reads', `t${at}-${n}`)),
      ),
    );
    const edges = derived(...[...reads, touching('w', [500, 501], [touch('writes', 'out')])]);
    expect([edges.length, edges[0]]).toEqual([2_001, '* → out order more']);
  });
});

describe('what arguments name', () => {
  const named = touch('reads', 'orders', { flags: ['from_arguments'] });
  const client = touching('c', [12, 13], [touch('reads', 'shop.public.orders', { namespace: 'postgres://db:5432' })], {
    step_kind: 'other',
    tool_name: null,
    parent_span_id: 'q',
  });
  const read = (...steps: readonly AgentStep[]): readonly string[] =>
    netEdges(runBatches(steps.map((step) => [step])).rows)
      .filter(({ edge }) => edge === 'reads')
      .map(({ from_id, to_id, flags }) => [from_id, to_id, ...flags].join(' '));

  test('counts until the client of the database tells the same, in any order', () => {
    const query = touching('q', [10, 20], [named]);
    expect(read(query)).toEqual(['tool-q orders from_arguments']);
    expect(read(query, client)).toEqual(['tool-q postgres://db:5432/shop.public.orders']);
    expect(read(client, query)).toEqual(read(query, client));
  });
});

test('a tool that two agents share says for whom it touched what', () => {
  const steps = [
    agent('one'),
    agent('two'),
    touching('r', [10, 20], [touch('reads', 'a')], { parent_span_id: 'one', tool_name: 'query' }),
    touching('s', [10, 20], [touch('reads', 'b')], { parent_span_id: 'two', tool_name: 'query' }),
  ];
  const edges = netEdges(runBatches([steps]).rows).filter(({ edge }) => edge === 'reads');
  expect(edges.map(({ to_id, from_fields }) => [to_id, from_fields])).toEqual([
    ['a', ['agent=one']],
    ['b', ['agent=two']],
  ]);
});
