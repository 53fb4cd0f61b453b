import { expect, test } from 'vitest';
import { playLedger } from '../../services/ledger/fold-fixture.ts';
import { netBookings, TEST_PRICES } from '../../services/ledger/step-fixture.ts';
import { freshOptions, normalize, recordOf, spanRequest, stepsOf } from '../../services/normalizer/batch-fixture.ts';
import { generic } from '../../services/normalizer/conventions/generic.ts';
import { madeEmitter } from '../support/made-emitter.ts';
import type { Net } from './ledger-truth.ts';

const SEED = 20_261_122;
const EMITTERS = 1_000;

const bookedOf = (spans: readonly object[]) => {
  const options = { ...freshOptions(), conventions: [generic] };
  const steps = stepsOf(normalize([recordOf(spanRequest(spans))], 'spans', options));
  const bookings = netBookings(playLedger(steps, TEST_PRICES).entries) as readonly unknown[] as readonly Net[];
  const sum = (read: (one: Net) => number) => bookings.reduce((all, one) => all + read(one), 0);
  return {
    calls: sum((one) => one.calls),
    tokens: sum((one) => (one.input_tokens ?? 0) + (one.cache_read_tokens ?? 0) + (one.output_tokens ?? 0)),
  };
};

test(`what nobody ever wrote is never counted more than once by the generic convention, and whole where it is told (seed ${SEED})`, () => {
  const wrong = Array.from({ length: EMITTERS }, (_, nth) => madeEmitter(SEED + nth)).flatMap((made, nth) => {
    const { spans, truth, style } = made;
    const booked = bookedOf(spans);
    const isOver = booked.calls > truth.calls || booked.tokens > truth.tokens;
    const isShort = truth.isWhole && (booked.calls < truth.calls || booked.tokens < truth.tokens);
    return isOver || isShort ? [{ nth, is: isOver ? 'over' : 'short', booked, truth, style }] : [];
  });
  expect(wrong).toEqual([]);
});
