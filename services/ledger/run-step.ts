import type { AgentStep } from '../../schemas/agent-step.ts';
import type { LedgerEntry } from '../../schemas/ledger-entry.ts';
import type { OutgoingRecord, Row } from '../runtime/ports.ts';
import type { TableRows } from '../runtime/stream/types.ts';
import { believedAmong } from './accounts.ts';
import { type BookingMoment, bookDifference, entryOf } from './booking.ts';
import { bookingOf } from './call-booking.ts';
import { claimsOf } from './call-claims.ts';
import { addCalls } from './call-sums.ts';
import { desiredCalls, singleCall } from './desired.ts';
import { type Evidence, evidenceOf, isLeaf, preferCopy } from './evidence.ts';
import { addFindings, ownKindOf, withWitnessedCalls } from './findings.ts';
import type { PriceBook } from './prices/price.ts';
import { recognisedAtOf } from './recognition.ts';
import { isReprice, wantedPrices, withWantedPrice } from './reprice-command.ts';
import { addToTally, runFacts } from './run-facts.ts';
import { buildRunGraph, type RunGraph } from './run-graph.ts';
import { runLinkRows } from './run-links.ts';
import { type RunWide, runWideOf } from './run-wide.ts';
import { scoreRows } from './scores.ts';
import {
  type HeldStep,
  isAtOrBefore,
  isSamePosition,
  type LedgerState,
  type Position,
  positionOf,
  positionText,
  splitKey,
} from './state.ts';
import { hourOfText, utcMillisText } from './utc-time.ts';

/** Steps of one run whose evidence is held; of later ones only sums are kept (design 9: "50,000 steps then summarised"). */
export const STEPS_HELD_MAX = 50_000;
/** Room kept beyond that for steps which tell of model calls: these are worth more than plumbing. */
export const CALLS_RESERVE = 10_000;
/** Copies of steps remembered one by one; of later ones a redelivery is told by its position alone. */
export const DUPLICATES_HELD_MAX = 50_000;

/** The batch a fold is stepping through; the same at every replay. */
export interface StepContext {
  readonly batchId: string;
  /** Log time: the only clock a row gets. */
  readonly loggedAtMs: number;
  /** Grows along the log. */
  readonly version: bigint;
}

export interface StepResult {
  readonly state: LedgerState;
  readonly tables: readonly TableRows[];
  /** Start of each hour, unix seconds, whose sums the entries touch. */
  readonly hours: readonly number[];
  readonly produce: readonly OutgoingRecord[];
}

export interface HeldLimits {
  readonly stepsMax: number;
  readonly callsReserve: number;
  readonly duplicatesMax: number;
}
export const HELD_LIMITS: HeldLimits = {
  stepsMax: STEPS_HELD_MAX,
  callsReserve: CALLS_RESERVE,
  duplicatesMax: DUPLICATES_HELD_MAX,
};

/** Takes in steps of one run and brings its books, its row of `runs` and its duplicates up to date. Pure. */
export const stepRun = (
  state: LedgerState,
  steps: readonly AgentStep[],
  context: StepContext,
  prices: PriceBook,
  limits: HeldLimits = HELD_LIMITS,
): StepResult => {
  const [tenantId, runId] = splitKey(state.key);
  const moment: BookingMoment = {
    at: utcMillisText(context.loggedAtMs),
    batchId: context.batchId,
    priceBook: prices.hash,
  };
  const { own = [], told = [], repriced = [] } = Object.groupBy(steps, sortOf);
  const taken = takeIn(state, told, limits);
  const { findings, runs: foundRuns } = addFindings(state.findings, own);
  const evidence = [...taken.steps.values()].map((held) => held.evidence);
  const graph = buildRunGraph(withWitnessedCalls(evidence, findings));
  const run = { tenantId, runId, graph, wide: runWideOf(graph.steps) };
  const { here, elsewhere } = desiredCalls(graph, tenantId, runId, findings);
  const wanted = wantedPrices(repriced);
  const desired = here.map((call) => {
    const priced = bookingOf(call, run, prices, pricedBefore(state, call.call_id));
    return { call, priced: withWantedPrice(priced, wanted, state.books.get(call.call_id)?.repricedAtMs ?? 0) };
  });
  const lost = new Set(elsewhere.map((call) => call.call_id));
  const isAnew = told.some((step) => recognisedAtOf(step) > 0);
  const difference = bookDifference(state.books, desired, run, moment, { elsewhere: lost, isAnew });
  const spill = bookSpilled(taken.spilledSteps, run, prices, moment);
  const entries = [...difference.entries, ...spill];
  const spilled = addToTally(state.spilled, taken.spilledSteps);
  const spilledSums = addCalls(
    state.spilledSums,
    spill.map((booking) => ({ booking })),
  );
  const next: LedgerState = {
    key: state.key,
    steps: taken.steps,
    duplicates: taken.duplicates,
    books: difference.books,
    marks: taken.marks,
    spilled,
    spilledSums,
    findings,
  };
  const row: Row = {
    tenant_id: tenantId,
    run_id: runId,
    version: context.version.toString(),
    ...runFacts(graph, addToTally(spilled, graph.steps), addCalls(spilledSums, next.books.values())),
    batch_id: context.batchId,
    logged_at: moment.at,
  };
  const held = [...state.steps.values()].map(({ evidence }) => evidence);
  const tables = [
    // A finding may come before the step it is about: a run of which nothing is known has no row.
    ...tablesOf(entries, taken.copies, next.steps.size === 0 ? [] : [row], moment),
    runLinkRows(run, { steps: [...taken.news, ...taken.copies], runs: foundRuns }, held, context),
    scoreRows(taken.news, context),
  ];
  return { state: next, tables, hours: hoursOf(entries), produce: claimsOf(taken.news) };
};

/** Steps the ledger tells itself are no evidence of anything that happened. */
const sortOf = (step: AgentStep): 'own' | 'told' | 'repriced' => {
  if (isReprice(step)) return 'repriced';
  return ownKindOf(step) === null ? 'told' : 'own';
};

const pricedBefore = (state: LedgerState, callId: string) => {
  const booked = state.books.get(callId);
  return booked === undefined || booked.booking === null
    ? null
    : { booking: booked.booking, pricing_key: booked.pricing_key };
};

// ------------------------------------------------------------------------ intake

interface Intake {
  readonly steps: LedgerState['steps'];
  readonly duplicates: LedgerState['duplicates'];
  readonly marks: LedgerState['marks'];
  /** Steps that came again from another log position, to be written down. */
  readonly copies: readonly AgentStep[];
  /** Steps that came for the first time, held or not. */
  readonly news: readonly AgentStep[];
  readonly spilledSteps: readonly Evidence[];
}

/** A step counts once; the same log position again is a redelivery; another position is a copy, written down once. */
const takeIn = (state: LedgerState, inputs: readonly AgentStep[], limits: HeldLimits): Intake => {
  const marks = new Map(state.marks);
  const intake = {
    steps: new Map(state.steps),
    duplicates: new Set(state.duplicates),
    marks,
    copies: [] as AgentStep[],
    news: [] as AgentStep[],
    spilledSteps: [] as Evidence[],
  };
  for (const step of inputs) {
    const held = intake.steps.get(step.step_id);
    if (recognisedAtOf(step) > 0) {
      takeRecognised(intake, step, held);
      continue;
    }
    const position = positionOf(step);
    const isOld = isAtOrBefore(position, marks.get(position.log));
    if (!isOld) marks.set(position.log, position);
    if (held === undefined) takeNew(intake, step, position, isOld, limits);
    else if (!isSamePosition(held.position, position)) takeCopy(intake, step, held, isOld, limits);
  }
  return intake;
};

interface OpenIntake extends Intake {
  readonly steps: Map<string, HeldStep>;
  readonly duplicates: Set<string>;
  readonly copies: AgentStep[];
  readonly news: AgentStep[];
  readonly spilledSteps: Evidence[];
}

const takeNew = (intake: OpenIntake, step: AgentStep, position: Position, isOld: boolean, limits: HeldLimits): void => {
  const evidence = evidenceOf(step);
  const heldMax = limits.stepsMax + (evidence.call === null ? 0 : limits.callsReserve);
  const isHeld = intake.steps.size < heldMax;
  if (isHeld) intake.steps.set(evidence.step_id, { evidence, position, recognisedAt: 0 });
  // Not held, so a redelivery of it is told by the mark alone.
  else if (!isOld) intake.spilledSteps.push(evidence);
  if (isHeld || !isOld) intake.news.push(step);
};

const takeCopy = (intake: OpenIntake, step: AgentStep, held: HeldStep, isOld: boolean, limits: HeldLimits): void => {
  const copyKey = `${step.step_id}|${positionText(positionOf(step))}`;
  const isFull = intake.duplicates.size >= limits.duplicatesMax;
  if (intake.duplicates.has(copyKey) || (isFull && isOld)) return;
  intake.copies.push(step);
  if (!isFull) intake.duplicates.add(copyKey);
  // A copy was read with the conventions of its time.
  if (held.recognisedAt > 0) return;
  intake.steps.set(step.step_id, { ...held, evidence: preferCopy(held.evidence, evidenceOf(step)) });
};

/** The newest reading counts, whatever the order they come in. A step that is not held was booked for good. */
const takeRecognised = (intake: OpenIntake, step: AgentStep, held: HeldStep | undefined): void => {
  const recognisedAt = recognisedAtOf(step);
  if (held === undefined || held.recognisedAt >= recognisedAt) return;
  intake.steps.set(step.step_id, { ...held, evidence: evidenceOf(step), recognisedAt });
  intake.news.push(step);
};

/** Calls beyond what is held are booked one by one, without looking for twins: the run is told as summarised. */
const bookSpilled = (
  spilled: readonly Evidence[],
  run: { readonly tenantId: string; readonly runId: string; readonly graph: RunGraph; readonly wide: RunWide },
  prices: PriceBook,
  moment: BookingMoment,
): readonly LedgerEntry[] =>
  believedAmong(run.graph.steps, spilled)
    .filter(isLeaf)
    .map((leaf) => {
      const call = singleCall(run.tenantId, run.runId, leaf);
      return entryOf(bookingOf(call, run, prices, null).booking, 1, 'booked', moment);
    });

// -------------------------------------------------------------------------- rows

const tablesOf = (
  entries: readonly LedgerEntry[],
  copies: readonly AgentStep[],
  runRows: readonly Row[],
  moment: BookingMoment,
): readonly TableRows[] => [
  { table: 'ledger_entries', identity: ['entry_id'], rows: entries.map((entry) => ({ ...entry })) },
  {
    table: 'span_duplicates',
    // One batch of steps can come from several source logs, so the offset alone does not tell its rows apart.
    identity: ['log_id', 'log_topic', 'log_partition', 'log_offset', 'log_index'],
    rows: copies.map((step) => ({
      tenant_id: step.tenant_id,
      step_id: step.step_id,
      run_id: step.run_id,
      trace_id: step.trace_id,
      span_id: step.span_id,
      log_id: step.log_id,
      log_topic: step.log_topic,
      log_partition: step.log_partition,
      log_offset: step.log_offset,
      log_index: step.log_index,
      batch_id: moment.batchId,
      logged_at: moment.at,
    })),
  },
  { table: 'runs', identity: ['tenant_id', 'run_id'], rows: runRows },
];

const hoursOf = (entries: readonly LedgerEntry[]): readonly number[] =>
  [...new Set(entries.map((entry) => hourOfText(entry.ts)))].sort((a, b) => a - b);
