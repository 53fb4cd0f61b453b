import { expect, test } from 'vitest';
import { isContentField } from '../../services/api/evidence-content.ts';
import { STEP_FIELDS } from '../../services/policy/fields.ts';

test('of all fields a rule may name, these and only these are withheld from who may not read content', () => {
  expect(STEP_FIELDS.map(({ path }) => path).filter(isContentField)).toEqual(['tool.arguments']);
  expect(STEP_FIELDS.filter(({ isContent }) => isContent === true).map(({ path }) => path)).toEqual(['tool.arguments']);
});
