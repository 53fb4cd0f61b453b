import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { playLedger, type Take } from '../../services/ledger/fold-fixture.ts';
import type { PriceBook } from '../../services/ledger/prices/price.ts';
import { createPriceBook } from '../../services/ledger/prices/registry.ts';
import { netBookings } from '../../services/ledger/step-fixture.ts';
import { seeded } from '../support/random.ts';
import { stepsOfCapture } from './captured-runs.ts';
import { compared, EMITTERS, FIXTURE_PRICES, knownCost, type Net, truthOf } from './ledger-truth.ts';

/** Emitters that are known to be booked wrongly, with the reason. Each must be wrong, so the list can only shrink. */
const NOT_YET: ReadonlyMap<string, string> = new Map([]);
const EXACT = EMITTERS.filter((emitter) => !NOT_YET.has(emitter));

const LIST_PRICES = createPriceBook();
const SEED = 20_261_121;
/** Steps of one arrival in the shuffled order. */
const BATCH_STEPS_MAX = 40;

/** What the ledger books behind its topic, over all runs of the steps; `takes` say how they arrive. */
const book = (
  steps: readonly AgentStep[],
  takes: readonly Take[] = [],
  prices: PriceBook = FIXTURE_PRICES,
): readonly Net[] => netBookings(playLedger(steps, prices, takes).entries) as readonly unknown[] as Net[];

/** Arrivals in a seeded order: of each batch the place in what waits, and its length. */
const shuffledTakes = (count: number, seed: number): readonly Take[] => {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    from: random(),
    size: 1 + Math.floor(random() * BATCH_STEPS_MAX),
  }));
};

describe.each(EXACT)('%s', (emitter) => {
  const steps = stepsOfCapture(emitter);
  const asRecorded = book(steps);

  test('every call the payload tells of is booked once, with the tokens it tells', () => {
    const { facts, truth } = compared(emitter, asRecorded);
    expect(facts).toEqual(truth);
  });

  test('the cost is that of the recoverable tokens', () => {
    const { costUsd } = truthOf(emitter);
    if (costUsd === null) expect(asRecorded.every((booking) => booking.cost_usd === null)).toBe(true);
    else expect(Math.abs(knownCost(asRecorded) - costUsd)).toBeLessThan(1e-9);
  });

  test('one step at a time, backwards and twice, gives the same bookings', () => {
    const twice = [...steps].reverse().flatMap((step) => [step, step]);
    const oneByOne = twice.map(() => ({ from: 0, size: 1 }));
    expect(book(twice, oneByOne)).toEqual(asRecorded);
  });

  test(`in any order, in batches of any length, gives the same bookings (seed ${SEED})`, () => {
    expect(book(steps, shuffledTakes(steps.length, SEED))).toEqual(asRecorded);
  });

  test('nothing that is priced by the public list is left without a price', () => {
    expect(book(steps, [], LIST_PRICES).filter((booking) => booking.unpriced_reason === 'no_price')).toEqual([]);
  });
});

test.each([...NOT_YET])('%s is not booked as it should be yet: %s', (emitter) => {
  const { facts, truth } = compared(emitter, book(stepsOfCapture(emitter)));
  expect(facts).not.toEqual(truth);
});

describe('all emitters at once, in one tenant', () => {
  const captures = EMITTERS.map((emitter) => ({ emitter, steps: stepsOfCapture(emitter) }));
  const emitterOf = new Map(
    captures.flatMap(({ emitter, steps }) => steps.map((step) => [step.run_id, emitter] as const)),
  );

  test('no two emitters share a run', () => {
    for (const { emitter, steps } of captures) {
      for (const step of steps) expect(emitterOf.get(step.run_id)).toBe(emitter);
    }
  });

  test(`interleaved, shuffled and sent twice, each is booked as it is alone (seed ${SEED})`, () => {
    const all = captures.flatMap(({ steps }) => steps);
    const random = seeded(SEED);
    const shuffled = [...all, ...all].map((step) => ({ step, at: random() })).sort((a, b) => a.at - b.at);
    const steps = shuffled.map(({ step }) => step);
    const bookings = book(steps, shuffledTakes(steps.length, SEED + 1));
    const byEmitter = Map.groupBy(bookings, (booking) => emitterOf.get(booking.run_id) ?? '');
    for (const emitter of EMITTERS) {
      const alone = book(stepsOfCapture(emitter));
      expect(byEmitter.get(emitter) ?? [], emitter).toEqual(alone);
    }
  });
});
