import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Budget, Spend } from './budget.ts';
import { isReached, parseExact, usdShort } from './decimal.ts';
import { createDateReader, periodAt, periodBefore } from './period.ts';
import {
  createBooks,
  createExpectation,
  type Entry,
  type ExpectedLook,
  type Spending,
  spendingArbitrary,
} from './spending-fixture.ts';
import { type Judged, judge } from './status.ts';

const MILLIONTH = 1_000_000n;

const spendOf = (entries: readonly Entry[], startMs: number, endMs: number): Spend => {
  const within = entries.filter(({ tsMs }) => tsMs >= startMs && tsMs < endMs);
  return {
    spent: within.reduce((sum, entry) => sum + (entry.cost ?? 0n) * MILLIONTH, 0n),
    calls: within.reduce((sum, entry) => sum + entry.calls, 0),
    unknownCalls: within.reduce((sum, entry) => sum + (entry.cost === null ? entry.calls : 0), 0),
  };
};

/** One look at both periods; thresholds that fired are remembered by the period's start, events by their id. */
const createLook = (budget: Budget) => {
  const dateOf = createDateReader(budget.timezone);
  if (dateOf === null) throw new Error(budget.timezone);
  const fired = new Map<number, readonly number[]>();
  const eventIds: string[] = [];
  const look = (entries: readonly Entry[], nowMs: number) => {
    const current = periodAt(budget.period, dateOf, nowMs);
    return [current, periodBefore(budget.period, dateOf, current)].map((period) => {
      const spend = spendOf(entries, period.startMs, period.endMs);
      const judged = judge(budget, period, spend, fired.get(period.startMs) ?? [], nowMs);
      fired.set(period.startMs, judged.status.reached);
      if (judged.event !== null) eventIds.push(judged.event.event_id);
      return judged;
    });
  };
  return { look, eventIds };
};

const toldBy = ({ status, event }: Judged) => ({
  spent: status.spend.spent / MILLIONTH,
  unknown: status.spend.unknownCalls,
  calls: status.spend.calls,
  state: status.state,
  reached: status.reached,
  fresh: event === null ? [] : (JSON.parse(event.detail) as { readonly thresholds: readonly number[] }).thresholds,
  level: event?.level ?? null,
});

const toldByBruteForce = (expected: ExpectedLook): ReturnType<typeof toldBy> => ({
  spent: expected.spentMillionths,
  unknown: expected.unknownCalls,
  calls: expected.calls,
  state: expected.state,
  reached: expected.reached,
  fresh: expected.fresh,
  level: expected.fresh.at(-1) ?? null,
});

/** Plays a spending and compares every look with brute force. */
const play = ({ budget, beginMs, happenings }: Spending): void => {
  const books = createBooks();
  const expectation = createExpectation(budget);
  const { look, eventIds } = createLook(budget);
  let nowMs = beginMs;
  for (const happening of happenings) {
    books.take(happening, nowMs);
    if (happening.kind !== 'look') continue;
    nowMs += happening.minutes * 60_000;
    expect(look(books.booked, nowMs).map(toldBy)).toEqual(expectation(books.booked, nowMs).map(toldByBruteForce));
  }
  expect(new Set(eventIds).size).toBe(eventIds.length);
};

describe('a budget', () => {
  test('equals brute force at every look, and fires each threshold once a period, over odd days, late and corrected calls', () => {
    fc.assert(fc.property(spendingArbitrary, play), { numRuns: 400 });
  });

  const budget: Budget = {
    id: 'b',
    title: 'B',
    scope: {},
    period: 'day',
    timezone: 'UTC',
    limit: 1_000_000_000_000n,
    thresholds: [0.8],
    unknownCallCeiling: 50_000_000_000n,
  };
  const period = { startMs: 0, endMs: 86_400_000 };

  test('counts an unknown call at its ceiling, and says so', () => {
    const spend = { spent: 700_000_000_000n, calls: 9, unknownCalls: 2 };
    const { status, event } = judge(budget, period, spend, [], 5);
    expect(status.state).toBe('warning');
    expect(event?.title).toBe('B: 80 % of $1.00 a day reached ($0.80, of it $0.10 for 2 calls of unknown cost)');
    expect(judge(budget, period, { ...spend, unknownCalls: 1 }, [], 5).event).toBeNull();
  });

  test('says the same under the same id whoever says it, and another limit is another question', () => {
    const spend = { spent: 900_000_000_000n, calls: 1, unknownCalls: 0 };
    const first = judge(budget, period, spend, [], 5).event;
    expect(judge(budget, period, { ...spend, calls: 2 }, [], 77).event?.event_id).toBe(first?.event_id);
    const raised = judge({ ...budget, limit: 1_100_000_000_000n }, period, spend, [], 5).event;
    expect(raised?.event_id).not.toBe(first?.event_id);
    expect(raised?.incident_id).not.toBe(first?.incident_id);
    // On the first of a month its day and itself begin together.
    const month = judge({ ...budget, period: 'month' }, { ...period, endMs: 31 * 86_400_000 }, spend, [], 5).event;
    expect(month?.incident_id).not.toBe(first?.incident_id);
  });
});

describe('amounts', () => {
  test('are compared exactly, where floats are not', () => {
    expect(0.1 + 0.2 >= 0.3 * 1).toBe(true);
    expect(isReached(299_999_999_999n, 1_000_000_000_000n, 0.3)).toBe(false);
    expect(isReached(300_000_000_000n, 1_000_000_000_000n, 0.3)).toBe(true);
    expect(isReached(-1n, 1n, 0.000001)).toBe(false);
    const large = parseExact('99999999999999999999999999.999999999999', 12) ?? 0n;
    expect(isReached(large - 1n, large, 1)).toBe(false);
  });

  test('are shown in cents, or as small as they are', () => {
    expect(usdShort(12_345_678_901_234n)).toBe('$12.34');
    expect(usdShort(1_000_000n)).toBe('$0.000001');
    expect(usdShort(-5_000_000_000_000n)).toBe('$-5.00');
  });
});
