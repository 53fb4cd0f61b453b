import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodePolicyViolation, encodePolicyViolation } from '../../schemas/policy-violation.ts';
import { judgeStep } from './judge-step.ts';
import type { RuleSet } from './rule-set.ts';
import { runRuleTests } from './rule-tests.ts';
import { ruleText, setOf, stepsOf } from './step-fixture.ts';

const judge = (set: RuleSet, step: AgentStep | undefined) => {
  if (step === undefined) throw new Error('a step is expected');
  return judgeStep(set, step, 0, (detector) => detector.open(undefined));
};
const judgeOne = (set: RuleSet, raw: Readonly<Record<string, unknown>>) => judge(set, stepsOf(raw)[0]);
const listsText = (more: string): string =>
  `---\napiVersion: tachograph/v1\nkind: Lists\nid: lists\nversion: 1.0.0\n${more}\n`;

describe('unknown is not zero', () => {
  const over = ruleText({ on: '[llm]', when: 'e.llm.total_tokens > 10' });

  test('a field that was not told gives no verdict: the field is named, and nothing is found', () => {
    const { violations, judged } = judgeOne(setOf(over), { kind: 'llm', llm: { input_tokens: 500 } });
    expect(violations).toEqual([]);
    expect(judged[0]).toMatchObject({ lacking: ['e.llm.total_tokens'], error: null });
  });

  test('a comparison with an unknown field does not hold the other way round either', () => {
    const set = setOf(ruleText({ on: '[llm]', when: "'!(e.llm.total_tokens > 10)'" }));
    const { violations, judged } = judgeOne(set, { kind: 'llm' });
    expect(violations).toEqual([]);
    expect(judged[0]?.lacking).toEqual(['e.llm.total_tokens']);
  });

  test('what decides without the unknown field is decided', () => {
    const set = setOf(ruleText({ when: '\'e.tool.name == "rm" || e.user_id == "root"\'' }));
    expect(judgeOne(set, { kind: 'tool', tool: { name: 'rm' } }).violations).toHaveLength(1);
    expect(judgeOne(set, { kind: 'tool', tool: { name: 'ls' } }).judged[0]?.lacking).toEqual(['e.user_id']);
  });

  test('every missing required field is named', () => {
    const set = setOf(ruleText({ requires: '[e.tool.name, e.user_id, e.service]' }));
    expect(judgeOne(set, { kind: 'tool' }).judged[0]?.lacking).toEqual(['e.tool.name', 'e.user_id']);
  });

  test('a list that this tenant has not filled is "not configured", for another tenant it judges', () => {
    const text = `${ruleText({ requires: '[cfg.denied]', when: 'e.tool.name in cfg.denied' })}${listsText('declare: {denied: list}')}---
apiVersion: tachograph/v1
kind: Lists
id: own
version: 1.0.0
tenant: test
lists: {denied: [rm]}
`;
    const set = setOf(text);
    const [step] = stepsOf({ kind: 'tool', tool: { name: 'rm' } });
    expect(judge(set, step).violations).toHaveLength(1);
    const other = step === undefined ? step : { ...step, tenant_id: 'other' };
    expect(judge(set, other).violations).toEqual([]);
    expect(judge(set, other).judged[0]?.lacking).toEqual(['cfg.denied']);
  });

  test('a rule that fails is counted with its reason, and stops nothing', () => {
    const set = setOf(`${ruleText({ id: 'bad', when: '\'e.ts.getHours("Mars/One") == 1\'' })}---\n${ruleText({})}`);
    const { violations, judged } = judgeOne(set, { kind: 'tool' });
    expect(judged.find(({ judge: { id } }) => id === 'bad')?.error).toMatch(/zone|Mars/);
    expect(violations.map(({ rule_id }) => rule_id)).toEqual(['test.rule']);
  });
});

describe('who says it', () => {
  const set = setOf(
    `${ruleText({ on: '[egress]', when: "'true'", unless: 'e.egress.host in cfg.exceptions.egress' })}${listsText(
      'exceptions: [{list: egress, value: good.example, owner: ada, expires: 2027-01-01, reason: tested}]',
    )}`,
  );
  const egress = (vantage: string, host: string) =>
    judgeOne(set, { kind: 'egress', vantage, egress: { host } }).violations.length;

  test.each([
    ['an agent about itself excuses nothing', 'agent', 'good.example', 1],
    ['the proxy does', 'proxy', 'good.example', 0],
    ['the gateway does', 'gateway', 'good.example', 0],
    ['nobody excuses what is not excepted', 'proxy', 'bad.example', 1],
  ])('%s', (_what, vantage, host, found) => {
    expect(egress(vantage, host)).toBe(found);
  });

  test('a label an agent gives itself excuses nothing', () => {
    const labelled = setOf(ruleText({ unless: '\'has_label(e, "approved")\'' }));
    const found = (vantage: string): number =>
      judgeOne(labelled, { kind: 'tool', vantage, labels: { approved: 'yes' } }).violations.length;
    expect([found('agent'), found('operator')]).toEqual([1, 0]);
  });

  test('an exception ends with its day', () => {
    const [step] = stepsOf({ kind: 'egress', vantage: 'proxy', egress: { host: 'good.example' } });
    const at = (iso: string) =>
      judge(set, step === undefined ? step : { ...step, end_unix_micros: Date.parse(iso) * 1_000 }).violations.length;
    expect([at('2027-01-01T23:59:59Z'), at('2027-01-02T00:00:00Z')]).toEqual([0, 1]);
  });
});

describe('a violation', () => {
  const set = setOf(
    ruleText({
      title: '"{{e.tool.name}} by {{e.agent_name}}"',
      when: '\'e.tool.arguments.contains("x")\'',
      maps: '{owasp_llm: [LLM06]}',
    }),
  );
  const found = judgeOne(set, { at: '3s', kind: 'tool', tool: { name: 'rm', arguments: 'x'.repeat(3_000) } })
    .violations[0];

  test('has its title filled in; what is not known is said', () => {
    expect(found?.title).toBe('rm by (unknown)');
  });

  test('carries as evidence what the rule mentions and no more, cut', () => {
    const evidence = JSON.parse(found?.evidence ?? '');
    expect(Object.keys(evidence.inputs)).toEqual(['e.agent_name', 'e.tool.arguments', 'e.tool.name']);
    expect(evidence.inputs['e.tool.arguments']).toHaveLength(500);
    expect(evidence).toMatchObject({ vantage: 'agent', maps: { owasp_llm: ['LLM06'] } });
  });

  test('has the time of the end of its step, and goes through the topic unchanged', () => {
    if (found === undefined) throw new Error('a violation is expected');
    expect(found.ts_unix_micros % 60_000_000).toBe((1_780_000_000_000_000 + 3_000_000) % 60_000_000);
    const decoded = decodePolicyViolation(encodePolicyViolation(found));
    expect(decoded.kind === 'ok' && decoded.value).toEqual(found);
  });

  test('of a hostile name stays a title of bounded length', () => {
    const { violations } = judgeOne(set, { kind: 'tool', tool: { name: '\ud800'.repeat(5_000), arguments: 'x' } });
    expect(violations[0]?.title.length).toBeLessThanOrEqual(300);
    expect(violations[0]?.title.isWellFormed()).toBe(true);
  });
});

describe('tests inside rule files', () => {
  const problemsOf = (tests: string): readonly string[] =>
    runRuleTests(setOf(ruleText({ when: '\'e.tool.name == "rm"\'', tests }))).flatMap(({ problems }) => problems);

  test('pass when every violation is expected', () => {
    expect(
      problemsOf('[{name: a, steps: [{at: 2s, kind: tool, tool: {name: rm}}], expect: [{at: 2s, title: "a t*"}]}]'),
    ).toEqual([]);
  });

  test('tell what was expected and what was found', () => {
    expect(
      problemsOf('[{name: a, steps: [{at: 2s, kind: tool, tool: {name: rm}}], expect: [{at: 3s, severity: low}]}]'),
    ).toEqual(['- expected at 3s · test.rule · low', '+ found    at 2s · test.rule · high · "a title"']);
  });

  test('say when a step could not be judged', () => {
    expect(problemsOf('[{name: a, steps: [{kind: tool}], expect: [{}]}]')).toEqual([
      '- expected any time · test.rule',
      'a step could not be judged: e.tool.name was not told or configured',
    ]);
  });

  test('two violations need two expectations', () => {
    expect(problemsOf('[{name: a, steps: [{repeat: 2, kind: tool, tool: {name: rm}}], expect: [{}]}]')).toHaveLength(1);
  });

  test('an expected rule that is not there fails', () => {
    expect(problemsOf('[{name: a, steps: [{kind: tool}], expect: [{rule: other}]}]')[0]).toContain('not in this set');
  });
});

describe('what was found in content', () => {
  const set = setOf(
    ruleText({ when: '\'e.pii.output.exists(c, c == "jwt") || e.pii.arguments.exists(c, c == "jwt")\'' }),
  );

  test('of a tool whose result was not sent is unknown, not clean', () => {
    const { violations, judged } = judgeOne(set, { kind: 'tool', tool: { arguments: '{}' } });
    expect(violations).toEqual([]);
    expect(judged[0]?.lacking).toEqual(['e.pii.output']);
  });

  test('of a tool with its result is clean, and what is known decides where the rest is not', () => {
    const whole = judgeOne(set, { kind: 'tool', tool: { arguments: '{}', result_hash: 'ab' } });
    expect(whole.judged[0]?.lacking).toEqual([]);
    expect(judgeOne(set, { kind: 'tool', pii: { arguments: ['jwt'] } }).violations).toHaveLength(1);
  });
});
