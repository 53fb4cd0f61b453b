import { describe, expect, test } from 'vitest';
import { loadRuleSet } from './load.ts';
import { problemText } from './problem.ts';
import { loadTexts, ruleText, setOf } from './step-fixture.ts';

const problemsOf = (text: string): readonly string[] => {
  const outcome = loadTexts({ 'r.yaml': text });
  return outcome.kind === 'refused' ? outcome.problems.map(problemText) : [];
};

/** What is wrong, where, and a piece of what is told. */
const REFUSED: readonly (readonly [why: string, text: string, place: string, says: string])[] = [
  ['no apiVersion', 'kind: Rule\n', 'r.yaml:1:1', 'allowed: tachograph/v1'],
  ['a document that is no map', '- 1\n', 'r.yaml:1:1', 'begin with apiVersion'],
  ['an unknown kind', 'apiVersion: tachograph/v1\nkind: Rul\n', 'r.yaml:2:7', 'allowed: Rule, Detector, Lists'],
  ['an unknown field', ruleText({ severty: 'high' }), 'r.yaml:9:1', 'severty is no field'],
  ['an unknown severity', ruleText({ severity: 'hihg' }), 'r.yaml:6:11', 'info, low, medium, high, critical'],
  ['a wrong type', ruleText({ on: 'tool' }), 'r.yaml:7:5', 'on is "tool"; allowed: array'],
  ['an unknown step kind', ruleText({ on: '[tool, tol]' }), 'r.yaml:7:12', 'on.1 is "tol"'],
  ['a number as condition', ruleText({ when: '1' }), 'r.yaml:8:7', 'when is 1; allowed: a condition in quotes'],
  ['a missing field', 'apiVersion: tachograph/v1\nkind: Rule\nid: a\n', 'r.yaml:1:1', 'when is missing'],
  ['a bad id', ruleText({ id: 'A b' }), 'r.yaml:3:5', 'lower-case letters'],
  [
    'a version that is a number',
    ruleText({ version: '1.0' }),
    'r.yaml:4:10',
    'version is 1; allowed: three numbers in quotes',
  ],
  ['broken YAML', 'a: [1\n', 'r.yaml:2:1', 'Flow sequence'],
  ['a key twice', `${ruleText({})}when: x\n`, 'r.yaml:9:1', 'the key when stands twice'],
  ['an alias', ruleText({ on: '&a [*a]' }), 'r.yaml:7:9', 'aliases are not allowed'],
  ['a syntax error', ruleText({ when: "'e.tool.name =='" }), 'r.yaml:8:22', 'Unexpected token'],
  [
    'an unknown field of a step',
    ruleText({ when: '\'true && e.tool.nmae == "x"\'' }),
    'r.yaml:8:16',
    'no field of a step',
  ],
  ['one behind has()', ruleText({ when: "'has(e.tool.nmae)'" }), 'r.yaml:8:12', 'e.tool.nmae is no field'],
  ['a type error', ruleText({ when: "'e.tool.name > 5'" }), 'r.yaml:8:8', 'no such overload: string > double'],
  ['no bool', ruleText({ when: 'e.tool.name' }), 'r.yaml:8:7', 'is of type string'],
  ['look-ahead', ruleText({ when: '\'e.tool.name.matches("(?=x)")\'' }), 'r.yaml:8:28', 'neither look-around'],
  ['a back reference', ruleText({ when: '\'e.tool.name.matches("(a)\\\\1")\'' }), 'r.yaml:8:28', 'back references'],
  ['a pattern from the step', ruleText({ when: 'e.tool.name.matches(e.name)' }), 'r.yaml:8:27', 'literal pattern'],
  [
    'a huge pattern',
    ruleText({ when: '\'e.tool.name.matches("[a-z]{999}[a-z]{999}[a-z]{999}")\'' }),
    'r.yaml:8:28',
    'instructions',
  ],
  ['an unknown function', ruleText({ when: 'now() > e.ts' }), 'r.yaml:8:7', 'there is no function now'],
  [
    'a loop in a loop',
    ruleText({ when: "'[1].exists(a, [1].exists(b, a == b))'" }),
    'r.yaml:8:22',
    'inside another loop',
  ],
  ['a variable named e', ruleText({ when: "'[1].exists(e, e == 1)'" }), 'r.yaml:8:19', 'e is taken'],
  ['the whole step', ruleText({ when: 'e == e' }), 'r.yaml:8:7', 'name one of its fields'],
  [
    'an undeclared list',
    ruleText({ when: 'e.tool.name in cfg.tols' }),
    'r.yaml:8:22',
    'cfg.tols is declared by no file',
  ],
  ['an undeclared required list', ruleText({ requires: '[cfg.tols]' }), 'r.yaml:9:12', 'neither a field of a step'],
  ['501 nodes', ruleText({ when: `'[${Array(501).fill('1').join(',')}].exists(x, x == 1)'` }), 'r.yaml:8', 'xceed'],
  ['33 levels', ruleText({ when: `${'('.repeat(40)}true${')'.repeat(40)}` }), 'r.yaml:8', 'xceed'],
  ['an unknown name in a title', ruleText({ title: '"x {{e.tol}}"' }), 'r.yaml:5:11', '{{e.tol}}'],
  ['content in a title', ruleText({ title: '"x {{e.tool.arguments}}"' }), 'r.yaml:5:11', 'grant content'],
  ['an open title', ruleText({ title: '"x {{e.name"' }), 'r.yaml:5:11', '{{ without its }}'],
  ['an unknown dedupe key', ruleText({ dedupe: '{key: [e.host]}' }), 'r.yaml:9:16', 'e.host is no field'],
  ['a window that is no duration', ruleText({ dedupe: '{window: 10}' }), 'r.yaml:9:18', '500ms, 30s'],
  [
    'a test with an unknown field',
    ruleText({ tests: '[{name: a, steps: [{kind: tool, tol: 1}], expect: []}]' }),
    'r.yaml:9:45',
    'tol is no field of a step',
  ],
  [
    'a test with a computed field',
    ruleText({ tests: '[{name: a, steps: [{kind: llm, llm: {total_tokens: 1}}], expect: []}]' }),
    'r.yaml:9:59',
    'computed',
  ],
  [
    'an exception without end',
    'apiVersion: tachograph/v1\nkind: Lists\nid: l\nversion: 1.0.0\nexceptions: [{list: a, value: b, owner: c, reason: d}]\n',
    'r.yaml:5:14',
    'exceptions.0.expires is missing',
  ],
  [
    'a zone nobody knows',
    'apiVersion: tachograph/v1\nkind: Lists\nid: l\nversion: 1.0.0\nwindows: {w: {days: [mon], from: "08:00", to: "18:00", zone: Mars/One}}\n',
    'r.yaml:5:62',
    'Europe/Berlin',
  ],
  [
    'an unknown detector',
    'apiVersion: tachograph/v1\nkind: Detector\nid: d\ntype: lop\n',
    'r.yaml:4:7',
    'allowed: loop',
  ],
];

describe('loading rules', () => {
  test.each(REFUSED)('%s is refused at its place', (_why, text, place, says) => {
    const problems = problemsOf(text);
    expect(
      problems.some((problem) => problem.startsWith(place) && problem.includes(says)),
      problems.join('\n'),
    ).toBe(true);
  });

  test('every problem of every file is told at once, in the order of the files', () => {
    const outcome = loadTexts({
      'b.yaml': ruleText({ id: 'one', severity: 'x', when: 'nope' }),
      'a.yaml': `${ruleText({ id: 'two', when: 'e.foo == 1' })}---\n${ruleText({ id: 'three', when: `'"a" == 1'`, mode: 'x' })}`,
      'c.yaml': ruleText({ id: 'sound' }),
    });
    expect(outcome.kind).toBe('refused');
    const problems = outcome.kind === 'refused' ? outcome.problems : [];
    expect(problems.map(({ file, line }) => `${file}:${line}`)).toEqual([
      'a.yaml:8',
      'a.yaml:17',
      'a.yaml:18',
      'b.yaml:6',
      'b.yaml:8',
    ]);
  });

  test('an error in a folded condition is told at its line and column', () => {
    const text = ruleText({ when: '>-\n  e.tool.name == "a" &&\n    e.tool.call_id ==\n    e.tool.wrong' });
    expect(problemsOf(text)[0]).toMatch(/^r\.yaml:11:5: when: e\.tool\.wrong is no field/);
  });

  test('an id that is taken names who has it', () => {
    const outcome = loadTexts({ 'a.yaml': ruleText({}), 'b.yaml': ruleText({}) });
    expect(outcome.kind === 'refused' && outcome.problems.map(problemText)).toEqual([
      'b.yaml:3:5: id test.rule is taken by a.yaml:3',
    ]);
  });

  test('a file that could not be read refuses the set', () => {
    const outcome = loadRuleSet([{ path: 'x.yaml', text: null, problem: 'does not exist' }]);
    expect(outcome.kind === 'refused' && outcome.problems.map(problemText)).toEqual(['x.yaml: does not exist']);
  });

  test('the same list given twice for the same tenants is refused; a tenant may have its own', () => {
    const lists = (id: string, more: string): string =>
      `apiVersion: tachograph/v1\nkind: Lists\nid: ${id}\nversion: 1.0.0\n${more}`;
    const twice = `${lists('a', 'lists: {m: {x: [1a]}}')}\n---\n${lists('b', 'lists: {m: {y: [a], x: [b]}}')}\n`;
    expect(problemsOf(twice)[0]).toContain('cfg.m["x"] is given twice for all tenants');
    const own = `${lists('a', 'lists: {m: {x: [1a]}}')}\n---\n${lists('b', 'tenant: t\nlists: {m: {x: [b]}}')}\n`;
    expect(problemsOf(own)).toEqual([]);
    const shapes = `${lists('a', 'lists: {m: [a]}')}\n---\n${lists('b', 'tenant: t\nlists: {m: 5}')}\n`;
    expect(problemsOf(shapes)[0]).toContain('cfg.m is double here and list<string> elsewhere');
  });

  test('the hash is of what judges: comments, tests and the order of files change nothing, a condition does', () => {
    const one = ruleText({ id: 'a' });
    const two = ruleText({ id: 'b' });
    const hashOf = (files: Readonly<Record<string, string>>): string => {
      const outcome = loadTexts(files);
      return outcome.kind === 'loaded' ? outcome.set.hash : 'refused';
    };
    const hash = hashOf({ 'x.yaml': one, 'y.yaml': two });
    expect(hash).toMatch(/^[0-9a-f]{32}$/);
    expect(hashOf({ 'z.yaml': `# a comment\n${two}---\n${one}` })).toBe(hash);
    expect(hashOf({ 'x.yaml': `${one}tests: []\n`, 'y.yaml': two })).toBe(hash);
    expect(hashOf({ 'x.yaml': ruleText({ id: 'a', when: "'false'" }), 'y.yaml': two })).not.toBe(hash);
    expect(setOf('').hash).not.toBe(hash);
  });

  test.each([
    ['brackets', '['.repeat(120_000)],
    ['dashes', '- '.repeat(60_000)],
    ['quotes', '"'.repeat(120_000)],
    ['anchors', '&a '.repeat(40_000)],
    ['tags', '! '.repeat(60_000)],
    ['parentheses', ruleText({ when: `'${'('.repeat(9_000)}'` })],
    ['nots', ruleText({ when: `'${'!'.repeat(9_000)}true'` })],
    ['a billion laughs', 'a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c]\n'],
  ])('a file of %s is refused, and nothing breaks', (_what, text) => {
    expect(problemsOf(text).length).toBeGreaterThan(0);
  });
});
