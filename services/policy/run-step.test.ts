import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import type { PolicyViolation } from '../../schemas/policy-violation.ts';
import { judgeRun, RUN_LIMITS, type RunLimits } from './run-step.ts';
import { emptyState, type PolicyState, parseState, serialiseState } from './state.ts';
import { ruleText, setOf, stepsOf } from './step-fixture.ts';

const SEED = 20_261_121;

const RULES = setOf(`${ruleText({ id: 'each', when: '\'e.tool.name == "rm"\'' })}---
${ruleText({ id: 'once', when: '\'e.tool.name == "rm"\'', dedupe: '{key: [e.service]}' })}---
${ruleText({ id: 'windowed', when: "'e.duration_ms == 0'", dedupe: '{key: [e.tool.name], window: 10s}' })}---
apiVersion: tachograph/v1
kind: Detector
id: loop
version: 1.0.0
type: loop
title: "{{e.tool.name}} {{count}}"
levels: [{count: 5, severity: medium}, {count: 10, severity: high}]
`);

const KEY = `test|${hash128(['run of a test'])}`;

/** Judges batches one after the other; between them the state goes through its text, as after a restart. */
const judgeBatches = (
  batches: readonly (readonly AgentStep[])[],
  limits: RunLimits = RUN_LIMITS,
): { readonly violations: readonly PolicyViolation[]; readonly state: PolicyState } => {
  let state = emptyState(KEY);
  const violations: PolicyViolation[] = [];
  for (const batch of batches) {
    const judged = judgeRun(state, batch, RULES, 0, limits);
    violations.push(...judged.violations);
    state = parseState(serialiseState(judged.state));
  }
  return { violations, state };
};

const ids = (violations: readonly PolicyViolation[]): readonly string[] =>
  violations.map(({ violation_id }) => violation_id).sort();

const arbitrarySteps = fc
  .array(
    fc.record({
      at: fc.integer({ min: 0, max: 60 }),
      tool: fc.constantFrom('rm', 'ls', 'search'),
      arguments: fc.constantFrom('{}', '{"a":1}', undefined),
      callId: fc.constantFrom('c1', 'c2', 'c3', undefined, undefined, undefined),
      service: fc.constantFrom('one', 'two'),
      repeat: fc.integer({ min: 1, max: 6 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((list) =>
    stepsOf(
      ...list.map(({ at, tool, arguments: args, callId, service, repeat }) => ({
        at: `${at}s`,
        repeat,
        kind: 'tool',
        service,
        tool: {
          name: tool,
          ...(args === undefined ? {} : { arguments: args }),
          ...(callId === undefined ? {} : { call_id: callId }),
        },
      })),
    ),
  );

/** A delivery: some order, some steps twice, cut into batches. */
const arbitraryDelivery = (steps: readonly AgentStep[]) =>
  fc
    .tuple(
      fc.shuffledSubarray([...steps], { minLength: steps.length, maxLength: steps.length }),
      fc.subarray([...steps]),
      fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 100 }),
    )
    .map(([order, again, sizes]) => {
      const all = [...order, ...again];
      const batches: AgentStep[][] = [];
      for (let at = 0, next = 0; at < all.length; next += 1) {
        const size = sizes[next % sizes.length] ?? 1;
        batches.push(all.slice(at, at + size));
        at += size;
      }
      return batches;
    });

describe('judging a run', () => {
  test(`any order, duplication, batching and restart gives the same violations, each once (seed ${SEED})`, () => {
    let found = 0;
    fc.assert(
      fc.property(
        arbitrarySteps.chain((steps) => fc.tuple(fc.constant(steps), arbitraryDelivery(steps))),
        ([steps, batches]) => {
          const expected = ids(judgeBatches([steps]).violations);
          const got = ids(judgeBatches(batches).violations);
          expect(got).toEqual(expected);
          expect(new Set(got).size).toBe(got.length);
          found += got.length;
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
    expect(found).toBeGreaterThan(1_000);
  });

  test('the state does not depend on the order of steps either', () => {
    const steps = stepsOf(
      { repeat: 12, kind: 'tool', tool: { name: 'rm', arguments: '{}' } },
      { repeat: 3, kind: 'tool', tool: { name: 'ls', arguments: '{}' } },
    );
    // Up to its highest level a loop remembers which calls it counted; beyond it any of them will do.
    const few = steps.slice(0, 9);
    const turned = [...few].reverse();
    const marksApart = ({ state }: { readonly state: PolicyState }) => serialiseState({ ...state, marks: new Map() });
    expect(marksApart(judgeBatches([turned]))).toBe(marksApart(judgeBatches([few])));
  });

  test('a step redelivered after more steps than are held is judged once', () => {
    const steps = stepsOf({ repeat: 20, kind: 'tool', tool: { name: 'rm' } });
    const limits = { stepsMax: 5, violationsMax: 1_000 };
    const once = judgeBatches([steps], limits);
    const twice = judgeBatches([steps, steps], limits);
    expect(ids(twice.violations)).toEqual(ids(once.violations));
    expect(twice.state.judged.size).toBe(5);
  });

  test('violations beyond the bound of a run are counted as failures of the rule, not passed in silence', () => {
    const steps = stepsOf({ repeat: 20, kind: 'tool', tool: { name: 'rm' } });
    const judged = judgeRun(emptyState(KEY), steps, RULES, 0, { stepsMax: 1_000, violationsMax: 4 });
    expect(judged.violations.length).toBeLessThanOrEqual(6);
    const rows = judged.coverage.rows({ ruleset_hash: '', batch_id: '', logged_at: '' });
    expect(rows.find((row) => row['rule_id'] === 'each' && row['field'] === '')?.['errors']).toBeGreaterThan(10);
  });

  test('a state of another version is refused', () => {
    expect(() => parseState('{"v":2}')).toThrow(/version 2/);
  });

  test('what a detector of another rule set kept of the run is still there when that set comes back', () => {
    const four = stepsOf({ repeat: 4, kind: 'tool', tool: { name: 'ls', arguments: '{}' } });
    const all = stepsOf({ repeat: 5, kind: 'tool', tool: { name: 'ls', arguments: '{}' } });
    const first = judgeRun(emptyState(KEY), four, RULES, 0);
    const between = judgeRun(first.state, [], setOf(ruleText({})), 0);
    const last = judgeRun(parseState(serialiseState(between.state)), all, RULES, 0);
    expect(last.violations.filter(({ rule_id }) => rule_id === 'loop').map(({ title }) => title)).toEqual(['ls 5']);
  });
});
