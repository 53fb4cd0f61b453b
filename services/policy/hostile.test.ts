import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodePolicyViolation, encodePolicyViolation } from '../../schemas/policy-violation.ts';
import { admitRuleSet } from './admit.ts';
import { STEP_FIELDS } from './fields.ts';
import { problemText } from './problem.ts';
import { judgeRun } from './run-step.ts';
import { emptyState, parseState, serialiseState } from './state.ts';
import { loadTexts, ruleText, setOf, stepsOf } from './step-fixture.ts';

const problemsOf = (text: string): readonly string[] => {
  const outcome = admitRuleSet([{ path: 'r.yaml', text, problem: null }]);
  return outcome.kind === 'refused' ? outcome.problems.map(problemText) : [];
};

describe('a hostile rule file', () => {
  test('of ten million bytes is refused, whoever read it', () => {
    expect(problemsOf(`# ${'x'.repeat(10_000_000)}\n`).length).toBeLessThanOrEqual(1);
    expect(problemsOf(`${ruleText({})}description: ${'x'.repeat(10_000_000)}\n`)).toHaveLength(1);
  });

  test('of ten thousand rules is refused', () => {
    const documents = Array.from({ length: 10_000 }, (_, at) => ruleText({ id: `r${at}` })).join('---\n');
    expect(problemsOf(documents)).toEqual(['r.yaml:1:1: at most 500 documents']);
  });

  test('with its rules in many files is refused, with every problem of them bounded', () => {
    const texts = Array.from({ length: 50 }, (_, file) => [
      `f${file}.yaml`,
      Array.from({ length: 40 }, (_, at) => ruleText({ id: `r${file}.${at}` })).join('---\n'),
    ]);
    const many = loadTexts(Object.fromEntries(texts));
    expect(many.kind === 'refused' && many.problems.map(({ message }) => message)).toEqual(['at most 1000 rules']);
    const same = loadTexts(
      Object.fromEntries(texts.map(([name]) => [name, Array(40).fill(ruleText({})).join('---\n')])),
    );
    expect(same.kind === 'refused' && same.problems.length).toBe(500);
  });

  test.each([
    ['a byte order mark and lines of another system', `\ufeff${ruleText({}).replaceAll('\n', '\r\n')}`],
    ['a comment alone', '# nothing\n'],
    ['nothing at all', ''],
    ['empty documents', '---\n---\n...\n'],
  ])('of %s is a file like any other', (_what, text) => {
    expect(problemsOf(text)).toEqual([]);
  });

  test('with lines of another system is told at the right place', () => {
    const text = ruleText({ when: 'e.tool.nmae == "x"' }).replaceAll('\n', '\r\n');
    expect(problemsOf(`\ufeff${text}`)[0]).toMatch(/^r\.yaml:8:[78]: when: e\.tool\.nmae/);
  });

  test.each([
    ['an anchor that names itself', `${ruleText({})}description: &a [*a]\n`],
    ['a merge key', `${ruleText({})}<<: {severity: low}\n`],
    ['__proto__ as a field', `${ruleText({})}__proto__: {severity: low}\n`],
    ['constructor as a field', `${ruleText({})}constructor: x\n`],
    ['__proto__ as a step', ruleText({ tests: '[{name: a, steps: [{kind: tool, __proto__: {x: 1}}], expect: [{}]}]' })],
    ['__proto__ as a list', 'apiVersion: tachograph/v1\nkind: Lists\nid: l\nversion: 1.0.0\nlists: {__proto__: [a]}\n'],
    ['__proto__ in a condition', ruleText({ when: 'e.__proto__.x == "a"' })],
    ['constructor in a condition', ruleText({ when: 'e.tool.constructor == "a"' })],
    ['a method of the host', ruleText({ when: '\'e.tool.name.constructor("x")\'' })],
    ['a binary tag', ruleText({ title: '!!binary aGVsbG8=' })],
    ['a number that is none', ruleText({ on: '[tool]', dedupe: '{window: .nan}' })],
    ['a key that is a list', `${ruleText({})}? [a]\n: b\n`],
    ['a lone surrogate as pattern', ruleText({ when: '\'e.tool.name.matches("\\\\uD800")\'' })],
  ])('with %s is refused and changes nothing else', (_what, text) => {
    expect(problemsOf(text).length).toBeGreaterThan(0);
    expect(Reflect.get({}, 'severity')).toBe(undefined);
    expect(problemsOf(ruleText({}))).toEqual([]);
  });

  test('with lists by key finds only what they hold: names of the language are none of them', () => {
    const lists = '---\napiVersion: tachograph/v1\nkind: Lists\nid: l\nversion: 1.0.0\nlists: {m: {b: [c]}}\n';
    const set = setOf(ruleText({ when: 'e.tool.name in cfg.m' }) + lists);
    const found = (name: string): number =>
      judgeRun(emptyState('test|r'), stepsOf({ kind: 'tool', tool: { name } }), set, 0).violations.length;
    expect(['b', 'toString', 'constructor', '__proto__'].map(found)).toEqual([1, 0, 0, 0]);
  });

  test('with markup in a title gives a title of text: whoever shows it escapes it', () => {
    const set = setOf(ruleText({ title: '"<script>alert(1)</script> {{e.tool.name}}"' }));
    const steps = stepsOf({ kind: 'tool', tool: { name: '{{e.service}}<img src=x onerror=alert(1)>' } });
    const [violation] = judgeRun(emptyState('test|r'), steps, set, 0).violations;
    // What a step says is put in once: a name that looks like a template stays what it is.
    expect(violation?.title).toBe('<script>alert(1)</script> {{e.service}}<img src=x onerror=alert(1)>');
  });
});

test('a title is one line, whatever the rule or the step puts into it', () => {
  const set = setOf(ruleText({ title: '"a\\0b {{e.tool.name}}"' }));
  const steps = stepsOf({ kind: 'tool', tool: { name: 'x\r\ny\u2028z \u202egnp.exe' } });
  expect(judgeRun(emptyState('test|r'), steps, set, 0).violations[0]?.title).toBe('a b x y z  gnp.exe');
});

/** A rule for every field of every type, so that each of them is read, shown and kept. */
const EVERY_FIELD = setOf(
  STEP_FIELDS.map(({ path, type, isContent }, at) => {
    const text =
      type.startsWith('map') || type.startsWith('list') ? `e.${path}.size() >= 0.0` : `e.${path} == e.${path}`;
    return ruleText({
      id: `field.${at}`,
      on: '[tool, llm, egress, other]',
      when: `'${text}'`,
      title: isContent === true ? 'content' : `"{{e.${path}}}"`,
      dedupe: `{key: [e.${path}]}`,
    });
  }).join('---\n'),
);

const HUGE = 'x\ud800'.repeat(400_000);
const base = (raw: Readonly<Record<string, unknown>>): AgentStep => {
  const [step] = stepsOf(raw);
  if (step === undefined) throw new Error('a step is expected');
  return step;
};
const texts = (value: string): Partial<AgentStep> => ({
  name: value,
  service: value,
  agent_name: value,
  workflow: value,
  tool_name: value,
  tool_arguments: value,
  error_message: value,
  response_model: value,
  labels: { a: value, [value.slice(0, 100)]: value },
  facts: { 'egress.host': value, 'pii.output': value, 'data.labels': value, 'data.rows': value, 'egress.port': value },
});

describe('a hostile step', () => {
  test.each<[string, AgentStep]>([
    ['of which nothing is known', base({ kind: 'other' })],
    ['whose texts are empty', { ...base({ kind: 'tool' }), ...texts('') }],
    ['of huge texts and lone surrogates', { ...base({ kind: 'tool' }), ...texts(HUGE) }],
    ['of a million commas', { ...base({ kind: 'egress' }), ...texts(','.repeat(1_500_000)) }],
    ['of numbers that are none', { ...base({ kind: 'egress' }), ...texts('NaN') }],
    ['of numbers beyond all numbers', { ...base({ kind: 'egress' }), ...texts('1e999') }],
    ['of names of the language', { ...base({ kind: 'tool' }), ...texts('__proto__') }],
    ['at the end of time', { ...base({ kind: 'tool' }), end_unix_micros: 4_503_599_627_370_495, start_unix_micros: 0 }],
    ['before time', { ...base({ kind: 'tool' }), end_unix_micros: 0, start_unix_micros: 4_503_599_627_370_495 }],
  ])(
    '%s is judged by every field: no rule fails, titles and evidence stay small, the state comes back',
    (_what, step) => {
      const { violations, errors, state } = judgeRun(emptyState('test|run'), [step, step], EVERY_FIELD, 0);
      expect(errors).toEqual([]);
      for (const violation of violations) {
        expect(violation.title.length).toBeLessThanOrEqual(300);
        expect(violation.title.isWellFormed()).toBe(true);
        expect(violation.evidence.length).toBeLessThan(10_000);
        const decoded = decodePolicyViolation(encodePolicyViolation(violation));
        expect(decoded.kind).toBe('ok');
      }
      expect(serialiseState(parseState(serialiseState(state)))).toBe(serialiseState(state));
    },
  );

  test('says nothing by a number that is none: it is unknown, not zero', () => {
    const set = setOf(ruleText({ on: '[egress]', when: "'e.egress.bytes_out >= 0.0'" }));
    for (const bytes of ['NaN', 'Infinity', '1e999', 'many', '', ' ']) {
      const step = { ...base({ kind: 'egress' }), facts: { 'egress.bytes_out': bytes } };
      expect(judgeRun(emptyState('test|run'), [step], set, 0).violations, JSON.stringify(bytes)).toEqual([]);
    }
  });
});
