import { type AgentStep, BLANK_STEP } from '../../schemas/agent-step.ts';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { hash128 } from '../../schemas/identity.ts';
import { TOKEN_COLUMNS, type TokenBuckets } from '../../schemas/ledger-entry.ts';
import { ONLY_FOR_HEADER, TOPICS } from '../../schemas/topics.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';
import {
  type Account,
  haveDifferentIds,
  haveSameFigures,
  haveSameModel,
  isOneInside,
  isTold,
  voiceOf,
} from './call-match.ts';
import { evidenceOf, outputTotal } from './evidence.ts';

/**
 * Calls described by two runs: an SDK's own span begins a trace of its own where the framework around it lost the
 * context, and both say what the call cost. No fold sees two runs, so each call is told a second time under a key that
 * two accounts of it share (its minute and its output tokens), and what is found there is told to the run of the span
 * without a place. Claims and findings are steps of our own in `agent_steps`, meant for the ledger alone.
 */

/** Nobody outside can name it: the normalizer alone decides families. */
const OWN_FAMILY = 'tachograph';
const CLAIM = 'tacho.claim';
const FOUND = 'tacho.described_elsewhere';

const MINUTE_MICROS = 60_000_000;
/** Minutes under which one call is told; two accounts that share none of the first ones are not found. */
const MINUTES_MAX = 16;
/** Claims held of one minute and output count. Beyond it twins are booked twice, as they would be without any of this. */
export const CLAIMS_MAX = 2_000;

/** Key of the state that holds claims: no run has `#` in its name. */
const CLAIMS_PREFIX = '#call-';
const FACT_RUN = 'call.run';
const FACT_STEP = 'call.step';

/** The fold's key of a step: its run, or the claims it belongs to. */
export const keyOfStep = (step: AgentStep): string => `${step.tenant_id}|${isClaim(step) ? '#' : ''}${step.run_id}`;

const isOwn = (step: AgentStep, flag: string): boolean => step.family === OWN_FAMILY && step.flags.includes(flag);
const isClaim = (step: AgentStep): boolean => isOwn(step, CLAIM);

/** Whether a state of this key holds claims and not a run. */
export const isClaimsKey = (key: string): boolean => key.includes(`|${CLAIMS_PREFIX}`);

// ----------------------------------------------------------------------- claims

/** What new steps of a run say of calls, under the keys where another run's account of them would be. */
export const claimsOf = (news: readonly AgentStep[]): readonly OutgoingRecord[] =>
  news.flatMap((step) => {
    const { call } = evidenceOf(step);
    if (step.signal !== 'span' || call === null || call.role !== 'leaf' || call.estimated) return [];
    const output = outputTotal(call) ?? 0;
    if (output <= 0) return [];
    const told = { ...call, untold: [], quantities: {}, reported_cost_usd: null };
    const first = Math.floor(step.start_unix_micros / MINUTE_MICROS);
    const last = Math.min(Math.floor(step.end_unix_micros / MINUTE_MICROS), first + MINUTES_MAX - 1);
    const records: OutgoingRecord[] = [];
    for (let minute = first; minute <= Math.max(first, last); minute += 1)
      records.push(ownRecord(claimOf({ ...step, call: told }, minute, output)));
    return records;
  });

/** Only what twins are compared by: the rest stays where it is. The minute leads, so that claims of one time lie together. */
const claimOf = (step: AgentStep, minute: number, output: number): AgentStep => ({
  ...BLANK_STEP,
  tenant_id: step.tenant_id,
  step_id: step.step_id,
  run_id: `call-${minute}-${hash128([String(output)]).slice(0, 16)}`,
  start_unix_micros: step.start_unix_micros,
  end_unix_micros: step.end_unix_micros,
  logged_at_ms: step.logged_at_ms,
  trace_id: step.trace_id,
  span_id: step.span_id,
  parent_span_id: step.parent_span_id,
  step_kind: step.step_kind,
  service: step.service,
  scope_name: step.scope_name,
  request_model: step.request_model,
  response_model: step.response_model,
  response_id: step.response_id,
  call: step.call,
  family: OWN_FAMILY,
  flags: [CLAIM],
  facts: { [FACT_RUN]: step.run_id },
});

const ownRecord = (step: AgentStep): OutgoingRecord => ({
  topic: TOPICS.steps,
  key: keyOfStep(step),
  value: encodeAgentStep(step),
  headers: { [ONLY_FOR_HEADER]: 'ledger' },
});

/** One account of a call, as its run told it. */
interface Claim extends Account {
  readonly step_id: string;
  readonly run_id: string;
  /** Nothing stands above it in its trace. */
  readonly is_lost: boolean;
  readonly service: string;
}

/** Accounts of calls of one minute and output count. Grows only, so no order of arrival changes what is found in it. */
export interface CallClaims {
  readonly key: string;
  readonly claims: ReadonlyMap<string, Claim>;
}

/** Claims of which nothing is known yet. */
export const noClaims = (key: string): CallClaims => ({ key, claims: new Map() });

/** Sorted, so that equal states give equal text. */
export const serialiseClaims = ({ key, claims }: CallClaims): string =>
  JSON.stringify({ claims: 1, k: key, c: [...claims.values()].sort((a, b) => (a.step_id < b.step_id ? -1 : 1)) });

/** Reads text `serialiseClaims` wrote. */
export const parseClaims = (text: string): CallClaims => {
  const stored = JSON.parse(text) as { readonly k: string; readonly c: readonly Claim[] };
  return { key: stored.k, claims: new Map(stored.c.map((claim) => [claim.step_id, claim])) };
};

/** Takes in claims and tells the runs of spans without a place which other run describes their call. Pure. */
export const stepClaims = (
  state: CallClaims,
  steps: readonly AgentStep[],
): { readonly state: CallClaims; readonly produce: readonly OutgoingRecord[] } => {
  const claims = new Map(state.claims);
  const produce: OutgoingRecord[] = [];
  for (const step of steps) {
    const claim = readClaim(step);
    if (claim === null || claims.has(claim.step_id) || claims.size >= CLAIMS_MAX) continue;
    for (const other of claims.values()) {
      const [lost, placed] = claim.is_lost ? [claim, other] : [other, claim];
      if (isLostTwin(lost, placed)) produce.push(findingOf(lost, placed, step));
    }
    claims.set(claim.step_id, claim);
  }
  return { state: { key: state.key, claims }, produce };
};

const readClaim = (step: AgentStep): Claim | null => {
  const { call } = step;
  const run_id = step.facts[FACT_RUN] ?? '';
  if (call === null || run_id === '') return null;
  return {
    step_id: step.step_id,
    run_id,
    is_lost: step.parent_span_id === '',
    signal: 'span',
    name: '',
    service: step.service,
    scope_name: step.scope_name,
    request_model: step.request_model,
    response_model: step.response_model,
    response_id: step.response_id,
    start_unix_micros: step.start_unix_micros,
    end_unix_micros: Math.max(step.start_unix_micros, step.end_unix_micros),
    call: Object.fromEntries(TOKEN_COLUMNS.map((column) => [column, call[column]])) as TokenBuckets,
  };
};

/**
 * Whether `lost` stands in a trace without anything above it and is what `placed` tells of from within another run:
 * another voice, one within the other's time, equal model and figures, no two response ids. Another service must name
 * the same response: two services may well ask the same at the same time.
 */
const isLostTwin = (lost: Claim, placed: Claim): boolean => {
  return (
    lost.is_lost &&
    !placed.is_lost &&
    lost.run_id !== placed.run_id &&
    voiceOf(lost) !== voiceOf(placed) &&
    (lost.service === placed.service || (isTold(lost.response_id) && lost.response_id === placed.response_id)) &&
    !haveDifferentIds(lost, placed) &&
    isOneInside(lost, placed) &&
    haveSameModel(lost, placed) &&
    haveSameFigures(lost, placed)
  );
};

// --------------------------------------------------------------------- findings

/** `lost` is described by a call of another run: told to the run it stands in, which keeps the books of it. */
const findingOf = (lost: Claim, placed: Claim, told: AgentStep): OutgoingRecord =>
  ownRecord({
    ...BLANK_STEP,
    tenant_id: told.tenant_id,
    step_id: lost.step_id,
    run_id: lost.run_id,
    start_unix_micros: lost.start_unix_micros,
    end_unix_micros: lost.end_unix_micros,
    logged_at_ms: told.logged_at_ms,
    family: OWN_FAMILY,
    flags: [FOUND],
    facts: { [FACT_RUN]: placed.run_id, [FACT_STEP]: placed.step_id },
  });

/** A step of a run whose call another run describes. */
export interface Finding {
  readonly step_id: string;
  readonly run_id: string;
}

/** null: an ordinary step. */
export const readFinding = (step: AgentStep): Finding | null => {
  const run_id = step.facts[FACT_RUN] ?? '';
  return isOwn(step, FOUND) && run_id !== '' ? { step_id: step.step_id, run_id } : null;
};
