import { z } from 'zod';
import { type AgentStep, BLANK_STEP } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import { UNPRICED_REASONS } from '../../schemas/ledger-entry.ts';
import { type Outcome, ok, refused } from '../../schemas/outcome.ts';
import type { PricedBooking } from './call-booking.ts';
import type { Priced } from './prices/price-call.ts';

/** The price one call is to stand with. It counts only while the call is as it was seen: the keys say of what. */
export interface CallRepricing extends Priced {
  readonly call_id: string;
  /** What the booking was priced by when it was looked at. */
  readonly seen_key: string;
  /** What it is priced by with this price: the time a call took may count now, or no more. */
  readonly pricing_key: string;
}

/** A call as the newest word on its price has it. */
export interface WantedPrice extends CallRepricing {
  /** When it was asked for, ms. */
  readonly atMs: number;
}

/** A command is a step of the ledger's own, told to nobody else; the normalizer alone decides flags, so no sender can make one. */
const OWN_FAMILY = 'tachograph';
const REPRICE_FLAG = 'tacho.reprice';
const FACTS = { at: 'reprice.at', calls: 'reprice.calls' } as const;

/** Calls of one command: at a few hundred bytes a call, a record stays far below what a topic takes. */
export const REPRICED_CALLS_MAX = 500;
const TEXT_CHARS_MAX = 512;
const MARKS_MAX = 64;

const HEX = /^[0-9a-f]{8,64}$/;
const PRICED_CALL = z
  .strictObject({
    call_id: z.string().regex(HEX),
    seen_key: z.string().regex(HEX),
    pricing_key: z.string().regex(HEX),
    cost_usd: z
      .string()
      .regex(/^-?\d{1,26}\.\d{12}$/)
      .nullable(),
    price_id: z.string().min(1).max(TEXT_CHARS_MAX).nullable(),
    unpriced_reason: z.enum(UNPRICED_REASONS).nullable(),
    untold: z.array(z.string().min(1).max(TEXT_CHARS_MAX)).max(MARKS_MAX),
  })
  // Unknown is NULL with a reason, never zero.
  .refine(({ cost_usd, unpriced_reason }) => (cost_usd === null) === (unpriced_reason !== null));
const CALLS = z.array(PRICED_CALL).min(1).max(REPRICED_CALLS_MAX);
const MOMENT = z.string().regex(/^\d{1,15}$/);

/** Whether this is a command of `repriceStep`. */
export const isReprice = (step: AgentStep): boolean => step.family === OWN_FAMILY && step.flags.includes(REPRICE_FLAG);

/** The command as a step of its run; its id says what is asked and when, so the same asked twice is the same. */
export const repriceStep = (
  tenantId: string,
  runId: string,
  atMs: number,
  calls: readonly CallRepricing[],
): AgentStep => {
  const text = JSON.stringify(calls);
  return {
    ...BLANK_STEP,
    tenant_id: tenantId,
    run_id: runId,
    step_id: hash128(['reprice', tenantId, runId, String(atMs), text]),
    start_unix_micros: atMs * 1000,
    end_unix_micros: atMs * 1000,
    logged_at_ms: atMs,
    family: OWN_FAMILY,
    flags: [REPRICE_FLAG],
    facts: { [FACTS.at]: String(atMs), [FACTS.calls]: text },
  };
};

/** What a command asks for; refused when it does not read as `repriceStep` writes it. */
export const readReprice = (step: AgentStep): Outcome<readonly WantedPrice[]> => {
  const at = MOMENT.safeParse(step.facts[FACTS.at]);
  const calls = CALLS.safeParse(jsonOf(step.facts[FACTS.calls] ?? ''));
  if (!at.success) return refused('malformed_avro', 'a command to price anew without its time');
  if (!calls.success) return refused('malformed_avro', 'a command to price anew whose calls cannot be read');
  return ok(calls.data.map((call) => ({ ...call, atMs: Number(at.data) })));
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** By call and what it was priced by. */
export type WantedPrices = ReadonlyMap<string, WantedPrice>;

/** The newest word on each call among commands, whatever the order they come in. What cannot be read says nothing. */
export const wantedPrices = (commands: readonly AgentStep[]): WantedPrices => {
  const wanted = new Map<string, WantedPrice>();
  for (const command of commands) {
    const read = readReprice(command);
    if (read.kind === 'refused') continue;
    for (const price of read.value) {
      for (const of of new Set([price.seen_key, price.pricing_key])) {
        const key = keyOf(price.call_id, of);
        const known = wanted.get(key);
        if (known === undefined || isNewer(price, known)) wanted.set(key, price);
      }
    }
  }
  return wanted;
};

const keyOf = (callId: string, pricingKey: string): string => `${callId}|${pricingKey}`;

/** Two words of one moment: any rule will do, so long as it is the same for every order. */
const isNewer = (a: WantedPrice, b: WantedPrice): boolean =>
  a.atMs !== b.atMs ? a.atMs > b.atMs : JSON.stringify(a) > JSON.stringify(b);

/**
 * The booking with the price asked for, if the call still is what it was when that was asked, and nothing newer was asked
 * of it before (`repricedAtMs`; 0: nothing was).
 */
export const withWantedPrice = (priced: PricedBooking, wanted: WantedPrices, repricedAtMs: number): PricedBooking => {
  const price = wanted.get(keyOf(priced.booking.call_id, priced.pricing_key));
  if (price === undefined || price.atMs <= repricedAtMs) return priced;
  const { cost_usd, price_id, unpriced_reason, untold, pricing_key, atMs } = price;
  return {
    pricing_key,
    booking: { ...priced.booking, cost_usd, price_id, unpriced_reason, untold },
    repricedAtMs: atMs,
  };
};
