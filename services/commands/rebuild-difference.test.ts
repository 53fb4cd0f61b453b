import { expect, test } from 'vitest';
import { rebuildRun } from '../ledger/rebuild.ts';
import { serialiseState } from '../ledger/state.ts';
import { llmOf, runBatches, TEST_PRICES } from '../ledger/step-fixture.ts';
import { differenceLines } from './rebuild-difference.ts';

test('says what goes from one family and model to another, and unknown is never zero', () => {
  const before = llmOf('a', 900, 50, { family: 'generic', request_model: 'gpt-5' });
  const after = { ...before, family: 'vendor', request_model: 'nobody-prices-this' };
  const state = serialiseState(runBatches([[before]], TEST_PRICES).state);
  const lines = differenceLines(rebuildRun(state, [after], 1, TEST_PRICES).entries);
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
    ['family', 'model', 'calls', 'input', 'cache read', 'cache write', 'output', 'reasoning', 'audio', 'cost USD'],
    ['generic', 'gpt-5', '-1', '-900', '–', '–', '-50', '–', '–', '-0.001625'],
    ['vendor', 'nobody-prices-this', '+1', '+900', '–', '–', '+50', '–', '–', '–'],
    ['all', '0', '0', '–', '–', '0', '–', '–', '-0.001625'],
  ]);
  expect(differenceLines([])).toEqual([]);
});
