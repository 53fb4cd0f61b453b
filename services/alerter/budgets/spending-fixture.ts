import fc from 'fast-check';
import type { Budget } from './budget.ts';

/** A signed entry as the ledger would book it; cost in millionths of a USD, null = unknown. */
export interface Entry {
  readonly tsMs: number;
  readonly calls: 1 | -1;
  readonly cost: bigint | null;
}

/** What happens: a call is booked (its time may lie back or ahead), corrected, taken back; time goes on and somebody looks. */
export type Happening =
  | {
      readonly kind: 'call';
      readonly minutes: number;
      /** Minutes the time is put back to a multiple of, and ms added then: at midnight itself, and just before it. */
      readonly snap: number;
      readonly addMs: number;
      readonly cost: number | null;
    }
  | { readonly kind: 'correct'; readonly which: number; readonly cost: number | null }
  | { readonly kind: 'reverse'; readonly which: number }
  | { readonly kind: 'look'; readonly minutes: number };

export interface Spending {
  readonly budget: Budget;
  readonly beginMs: number;
  readonly happenings: readonly Happening[];
}

/** Zones and moments where days are odd, and none puts its clocks back over midnight: there a date names two stretches. */
const MOMENTS: readonly (readonly [zone: string, at: string])[] = [
  ['Europe/Berlin', '2026-03-28T20:00:00Z'],
  ['Europe/Berlin', '2026-10-24T20:00:00Z'],
  ['America/Sao_Paulo', '2018-11-03T20:00:00Z'],
  ['Pacific/Apia', '2011-12-30T02:00:00Z'],
  ['Asia/Kathmandu', '2026-06-30T12:00:00Z'],
  ['Pacific/Chatham', '2026-09-26T06:00:00Z'],
  ['UTC', '2026-12-31T20:00:00Z'],
];

const MILLIONTH = 1_000_000n;
const permille = [250, 500, 800, 1000, 1200] as const;
const cost = fc.option(fc.constantFrom(0, 1, 99_999, 100_000, 250_000, 400_000, 500_000), { freq: 5 });

/** Small amounts around round limits on purpose: sums must hit thresholds exactly, again and again. */
export const spendingArbitrary: fc.Arbitrary<Spending> = fc
  .record({
    moment: fc.constantFrom(...MOMENTS),
    period: fc.constantFrom('day' as const, 'month' as const),
    limit: fc.constantFrom(500_000, 1_000_000, 1_000_001),
    thresholds: fc.subarray([...permille], { minLength: 1 }),
    ceiling: fc.constantFrom(0, 1, 100_000),
    happenings: fc.array(
      fc.oneof(
        {
          weight: 5,
          arbitrary: fc.record({
            kind: fc.constant('call' as const),
            minutes: fc.integer({ min: -2_900, max: 600 }),
            snap: fc.constantFrom(1, 15, 60, 60),
            addMs: fc.constantFrom(0, 0, -1),
            cost,
          }),
        },
        {
          weight: 2,
          arbitrary: fc.record({ kind: fc.constant('correct' as const), which: fc.nat({ max: 20 }), cost }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant('reverse' as const), which: fc.nat({ max: 20 }) }) },
        { weight: 3, arbitrary: fc.record({ kind: fc.constant('look' as const), minutes: fc.nat({ max: 700 }) }) },
      ),
      { minLength: 1, maxLength: 30 },
    ),
  })
  .map(({ moment: [timezone, at], period, limit, thresholds, ceiling, happenings }) => ({
    budget: {
      id: 'b',
      title: 'B',
      scope: { tenant: 'acme' },
      period,
      timezone,
      limit: BigInt(limit) * MILLIONTH,
      thresholds: thresholds.map((share) => share / 1000),
      unknownCallCeiling: BigInt(ceiling) * MILLIONTH,
    },
    beginMs: Date.parse(at),
    happenings: [...happenings, { kind: 'look' as const, minutes: 1 }],
  }));

/** The ledger's side: which entries a happening books, given the calls so far. Corrections reverse and book anew. */
export const createBooks = () => {
  const calls: Entry[] = [];
  const booked: Entry[] = [];
  const book = (...entries: readonly Entry[]): readonly Entry[] => {
    booked.push(...entries);
    return entries;
  };
  const turned = (entry: Entry): Entry => ({ ...entry, calls: -1, cost: entry.cost === null ? null : -entry.cost });
  return {
    booked,
    take: (happening: Happening, nowMs: number): readonly Entry[] => {
      if (happening.kind === 'look') return [];
      if (happening.kind === 'call') {
        const entry: Entry = {
          tsMs: snapped(nowMs + happening.minutes * 60_000, happening.snap * 60_000) + happening.addMs,
          calls: 1,
          cost: happening.cost === null ? null : BigInt(happening.cost),
        };
        calls.push(entry);
        return book(entry);
      }
      const at = calls.length === 0 ? 0 : happening.which % calls.length;
      const old = calls[at];
      if (old === undefined) return [];
      if (happening.kind === 'reverse') {
        calls.splice(at, 1);
        return book(turned(old));
      }
      const corrected: Entry = { ...old, cost: happening.cost === null ? null : BigInt(happening.cost) };
      calls[at] = corrected;
      return book(turned(old), corrected);
    },
  };
};

const snapped = (ms: number, stepMs: number): number => Math.floor(ms / stepMs) * stepMs;

/** What a budget shows, recomputed from all entries by the names of dates alone: no periods, no running sums. */
export interface Expected {
  readonly label: string;
  readonly spentMillionths: bigint;
  readonly unknownCalls: number;
  readonly calls: number;
  readonly state: 'ok' | 'warning' | 'exceeded';
  readonly current: readonly number[];
}

/** The current period and the one before it, by brute force. */
export const expectedOf = (budget: Budget, entries: readonly Entry[], nowMs: number): readonly [Expected, Expected] => {
  const dateFormat = new Intl.DateTimeFormat('sv-SE', { timeZone: budget.timezone, dateStyle: 'short' });
  const labelOf = (ms: number): string => dateFormat.format(ms).slice(0, budget.period === 'day' ? 10 : 7);
  const currentLabel = labelOf(nowMs);
  let before = nowMs;
  while (labelOf(before) === currentLabel) before -= 900_000;
  const of = (label: string): Expected => {
    const within = entries.filter((entry) => labelOf(entry.tsMs) === label);
    const spentMillionths = within.reduce((sum, entry) => sum + (entry.cost ?? 0n), 0n);
    const unknownCalls = within.reduce((sum, entry) => sum + (entry.cost === null ? entry.calls : 0), 0);
    const counted = spentMillionths * MILLIONTH + BigInt(unknownCalls) * budget.unknownCallCeiling;
    const isAt = (share: number): boolean => counted * 1000n >= budget.limit * BigInt(Math.round(share * 1000));
    const current = budget.thresholds.filter(isAt);
    return {
      label,
      spentMillionths,
      unknownCalls,
      calls: within.reduce((sum, entry) => sum + entry.calls, 0),
      state: isAt(1) ? 'exceeded' : current.length > 0 ? 'warning' : 'ok',
      current,
    };
  };
  return [of(currentLabel), of(labelOf(before))];
};

/** What a look must show and tell: the brute-force figures, thresholds that ever fired, and those that fire now. */
export interface ExpectedLook extends Expected {
  readonly reached: readonly number[];
  readonly fresh: readonly number[];
}

/** Remembers which thresholds fired by the name of the period; one a budget. */
export const createExpectation = (budget: Budget) => {
  const fired = new Map<string, ReadonlySet<number>>();
  return (entries: readonly Entry[], nowMs: number): readonly ExpectedLook[] =>
    expectedOf(budget, entries, nowMs).map((expected) => {
      const before = fired.get(expected.label) ?? new Set<number>();
      const reached = new Set([...before, ...expected.current]);
      fired.set(expected.label, reached);
      return {
        ...expected,
        reached: [...reached].sort((a, b) => a - b),
        fresh: expected.current.filter((level) => !before.has(level)),
      };
    });
};
