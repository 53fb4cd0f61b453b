import { describe, expect, test } from 'vitest';
import { NO_TOKENS } from '../../../schemas/ledger-entry.ts';
import { HOSTILE } from '../../../test/support/seed-builders.ts';
import type { CostRow } from '../queries/costs.ts';
import { spendChart } from './chart.ts';
import { coloursOf, SERIES_COLOURS } from './colour.ts';
import { compact, duration, money, percent, when } from './format.ts';
import { html, jsonBlock } from './html.ts';
import { type TreeItem, type TreeStep, treeOf } from './tree.ts';

describe('markup', () => {
  test('a value is text wherever it stands', () => {
    const { markup } = html`<p title="${HOSTILE}">${[HOSTILE, null, false, undefined, 3]}</p>`;
    expect(markup).not.toMatch(/<script|<img/);
    expect(markup).toContain('&lt;script&gt;alert(&quot;x&quot;)');
    expect(markup.endsWith('3</p>')).toBe(true);
  });

  test('data cannot end its block', () => {
    const { markup } = jsonBlock('x', { name: '</script><script>alert(1)</script>' });
    expect(markup.match(/<\/script>/g)).toHaveLength(1);
  });
});

describe('figures as they read', () => {
  test.each([
    [null, 'unknown'],
    ['0', '$0.00'],
    ['12.4', '$12.40'],
    ['0.0042', '$0.0042'],
    ['0.018', '$0.018'],
    ['0.21', '$0.21'],
    ['0.5', '$0.50'],
    ['1234.56', '$1,235'],
    ['-3.2', '−$3.20'],
    ['0.000000000001', '<$0.0000001'],
  ])('%s is %s', (usd, text) => expect(money(usd)).toBe(text));

  test('a share is never rounded to all or nothing while it is neither', () => {
    expect(percent(9999, 10_000)).toContain('>99');
    expect(percent(1, 10_000)).toContain('<1');
    expect(percent(10, 10)).toContain('100');
    expect(percent(0, 0)).toBe('–');
  });

  test('not told is not zero', () => {
    expect(compact(null)).toBe('–');
    expect(compact(0)).toBe('0');
  });

  test('times say how long ago, with the moment and its zone behind', () => {
    const { markup } = when('2026-11-21T09:30:00Z', 1_795_253_400_000 + 180_000);
    expect(markup).toContain('title="2026-11-21 09:30:00 UTC"');
    expect(markup).toContain('min ago');
  });

  test.each([0, 0.4, 12, 1500, 61_000, 3_700_000, 90_000_000])('%i ms has a unit', (ms) =>
    expect(duration(ms)).toMatch(/\d.(ms|s|min|h|d)/),
  );
});

describe('colours', () => {
  test('a name keeps its colour whatever stands beside it, unless two prefer the same', () => {
    const alone = coloursOf(['gpt-5.1']).get('gpt-5.1');
    expect(coloursOf(['gpt-5.1', 'zz']).get('gpt-5.1')).toBe(alone);
    const many = Array.from({ length: SERIES_COLOURS }, (_, index) => `m${index}`);
    expect(new Set(coloursOf(many).values()).size).toBe(SERIES_COLOURS);
    expect(coloursOf([...many].reverse())).toEqual(coloursOf(many));
  });
});

const step = (id: string, parent: string, kind: string, more: Partial<TreeStep> = {}): TreeStep => ({
  step_id: id,
  span_id: id,
  parent_span_id: parent,
  signal: 'span',
  step_kind: kind,
  status: 'unset',
  severity: null,
  ts_nanos: `1${id.padStart(18, '0')}`,
  ...more,
});

const shapeOf = (items: readonly TreeItem<TreeStep>[]): unknown =>
  items.map((item) =>
    item.kind === 'folded' ? `+${item.count}` : [item.node.step.step_id, ...(shapeOf(item.node.children) as unknown[])],
  );

describe('the waterfall', () => {
  test('folds plumbing with its count and keeps what it holds together', () => {
    const steps = [
      step('1', '', 'agent'),
      step('2', '1', 'llm'),
      step('3', '2', 'other'),
      step('4', '3', 'other'),
      step('5', '1', 'other'),
      step('6', '5', 'tool'),
    ];
    expect(shapeOf(treeOf(steps))).toEqual([['1', ['2', '+2'], ['5', ['6']]]]);
  });

  test('never folds an error or a warning away', () => {
    const steps = [
      step('1', '', 'agent'),
      step('2', '1', 'other', { status: 'error' }),
      step('3', '1', 'other', { severity: 'WARN', signal: 'log', span_id: '1' }),
    ];
    expect(shapeOf(treeOf(steps))).toEqual([['1', ['2'], ['3']]]);
  });

  test('shows plumbing when it is all there is', () => {
    expect(shapeOf(treeOf([step('1', '', 'other'), step('2', '1', 'other')]))).toEqual([['1', ['2']]]);
  });

  test('keeps every step of circles, orphans and doubled ids, each once', () => {
    const steps = [
      step('1', '2', 'llm'),
      step('2', '1', 'llm'),
      step('3', '3', 'llm'),
      step('4', 'gone', 'llm'),
      step('5', '4', 'llm', { span_id: '4' }),
      step('6', '', 'llm', { signal: 'log', span_id: '' }),
    ];
    const ids = JSON.stringify(shapeOf(treeOf(steps))).match(/"\d"/g) ?? [];
    expect([...ids].sort()).toEqual(['"1"', '"2"', '"3"', '"4"', '"5"', '"6"']);
  });

  test('a chain of two thousand steps neither overflows nor loses one', () => {
    const chain = Array.from({ length: 2000 }, (_, index) => step(String(index + 1), String(index), 'tool'));
    const count = (items: readonly TreeItem<TreeStep>[]): number =>
      items.reduce((sum, item) => sum + (item.kind === 'step' ? 1 + count(item.node.children) : item.count), 0);
    expect(count(treeOf(chain))).toBe(2000);
  });

  test('nests no deeper than it draws, so that rendering a long chain does not end the stack', () => {
    const chain = Array.from({ length: 20_000 }, (_, index) => step(String(index + 1), String(index), 'tool'));
    const height = (items: readonly TreeItem<TreeStep>[]): number =>
      items.reduce((most, item) => Math.max(most, item.kind === 'step' ? 1 + height(item.node.children) : 1), 0);
    const drawn = treeOf(chain);
    expect(height(drawn)).toBe(25);
    const deepest = JSON.stringify(shapeOf(drawn));
    expect(deepest.indexOf('"26"')).toBeLessThan(deepest.indexOf('"27"'));
    expect(deepest.indexOf('"27"')).toBeLessThan(deepest.indexOf('"19999"'));
  });
});

const costRow = (bucket: string, model: string | null, cost: string | null): CostRow => ({
  bucket,
  model,
  calls: 1,
  known_calls: cost === null ? 0 : 1,
  unknown_calls: cost === null ? 1 : 0,
  unpriced_calls: 0,
  failed_unknown_calls: 0,
  failed_calls: 0,
  upper_bound_calls: 0,
  cost_usd: cost,
  estimated_cost_usd: null,
  upper_bound_cost_usd: null,
  reported_cost_usd: null,
  ...NO_TOKENS,
});

describe('the spend chart', () => {
  const range = { fromMs: 0, toMs: 4 * 3_600_000 };

  test('fills empty buckets and counts what it cannot draw', () => {
    const chart = spendChart(
      [costRow('1970-01-01T01:00:00Z', 'a', '2'), costRow('1970-01-01T03:00:00Z', 'b', null)],
      range,
      'hour',
    );
    expect(chart.times).toEqual([0, 3600, 7200, 10_800]);
    expect(chart.series.map((series) => series.values)).toEqual([[0, 2, 0, 0]]);
    expect(chart.unknownCalls).toEqual([0, 0, 0, 1]);
  });

  test('has at most eight series and "other", and loses no money to it', () => {
    const rows = Array.from({ length: 20 }, (_, index) =>
      costRow('1970-01-01T00:00:00Z', `m${index}`, String(index + 1)),
    );
    const chart = spendChart(rows, range, 'hour');
    expect(chart.series).toHaveLength(9);
    expect(chart.series.at(-1)?.name).toBe('other');
    expect(chart.series.reduce((sum, series) => sum + (series.values[0] ?? 0), 0)).toBe(210);
  });
});
