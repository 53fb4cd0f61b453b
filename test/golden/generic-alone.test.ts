import { describe, expect, test } from 'vitest';
import { playLedger } from '../../services/ledger/fold-fixture.ts';
import { netBookings } from '../../services/ledger/step-fixture.ts';
import { generic } from '../../services/normalizer/conventions/generic.ts';
import { stepsOfCapture } from './captured-runs.ts';
import {
  EMITTERS,
  FIXTURE_PRICES,
  factsOf,
  isAsTold,
  type Net,
  overCounted,
  SHORT_IN_FIXTURES,
} from './ledger-truth.ts';

/**
 * Every family's file switched off: how far what an emitter nobody knows would get carries. What is not in this table
 * is exact; what is, falls short of the truth, and must. None counts more than it.
 */
const NOT_EXACT: Readonly<Record<string, string>> = {
  ...SHORT_IN_FIXTURES,
  codex: 'the failed request is a log record that names no model',
  'gemini-cli': 'nothing says that thoughts stand beside the answer, not in it',
  genkit: 'the model is part of a name, and details only in the answer inside the answer',
  'google-adk': 'the failed call is a span without any attribute',
  'openai-agents-native': 'no span says that it is a call, and none names a model',
  openlit: 'figures counted locally are not told from the provider’s',
  openllmetry: 'figures counted locally are not told from the provider’s',
};

const booked = new Map(
  EMITTERS.map((emitter) => {
    const { entries } = playLedger(stepsOfCapture(emitter, [generic]), FIXTURE_PRICES);
    return [emitter, netBookings(entries) as readonly unknown[] as readonly Net[]] as const;
  }),
);
const bookingsOf = (emitter: string): readonly Net[] => booked.get(emitter) ?? [];

describe('the generic convention alone', () => {
  test('no step is read by any other', () => {
    const families = EMITTERS.flatMap((emitter) => stepsOfCapture(emitter, [generic]).map((step) => step.family));
    expect([...new Set(families)]).toEqual(['generic']);
  });

  test.each(EMITTERS.filter((emitter) => NOT_EXACT[emitter] === undefined))('%s is exact', (emitter) => {
    const bookings = bookingsOf(emitter);
    expect(isAsTold(emitter, bookings), JSON.stringify(factsOf(emitter, bookings))).toBe(true);
  });

  test.each(Object.entries(NOT_EXACT))('%s is not exact: %s', (emitter) => {
    expect(isAsTold(emitter, bookingsOf(emitter))).toBe(false);
  });

  test.each(EMITTERS)('%s is never counted more than once', (emitter) => {
    expect(overCounted(emitter, bookingsOf(emitter))).toEqual([]);
  });
});
