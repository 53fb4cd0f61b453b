import { type AgentStep, BLANK_STEP } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';
import { haveDifferentIds, haveSameFigures, haveSameModel, isOneInside, isTold, voiceOf } from './call-match.ts';
import { CLAIMS_MAX, type Claim, claimOf, isClaim, runOf } from './claim.ts';
import { evidenceOf, outputTotal } from './evidence.ts';
import { findingOf, ownRecord } from './findings.ts';
import { isLogClaimsKey, logClaimsOf, logFindings } from './log-claims.ts';

/**
 * Calls described by two runs: an SDK's own span begins a trace of its own where the framework around it lost the
 * context, and both say what the call cost. No fold sees two runs, so each call is told a second time under a key that
 * two accounts of it share (when it began and its output tokens), and what is found there is told to both runs.
 */

/** Short, so that a state has few claims however busy a tenant is: it is written anew with each batch that touches it. */
const BEAT_MICROS = 2_000_000;
/**
 * A call in its place is told under the beat it began in, a lost one under its own and those before: frameworks open
 * their span, wait for a turn and then call. Of a twin that began more than two beats before nothing is found.
 */
const LOST_BEATS = 3;
/** Whether a state of this key holds claims and not a run. */
export const isClaimsKey = (key: string): boolean => key.includes('|#');

/** What new steps of a run say of calls, under the keys where another run's account of them would be. */
export const claimsOf = (news: readonly AgentStep[]): readonly OutgoingRecord[] => [
  ...spanClaimsOf(news),
  ...logClaimsOf(news),
];

const spanClaimsOf = (news: readonly AgentStep[]): readonly OutgoingRecord[] =>
  news.flatMap((step) => {
    if (step.signal !== 'span' || step.call?.role !== 'leaf' || step.call.estimated) return [];
    const { call } = evidenceOf(step);
    if (call === null) return [];
    const output = outputTotal(call) ?? 0;
    if (output <= 0) return [];
    const beat = Math.floor(step.start_unix_micros / BEAT_MICROS);
    const beats = step.parent_span_id === '' ? LOST_BEATS : 1;
    return Array.from({ length: beats }, (_, before) =>
      ownRecord('claim', claimOf({ ...step, call }, keyOf(Math.max(0, beat - before), output))),
    );
  });

/** The beat leads, so that claims of one time lie together in the store. */
const keyOf = (beat: number, output: number): string => `call-${beat}-${hash128([String(output)]).slice(0, 16)}`;

/** Accounts of calls of one beat and output count. Grows only, so no order of arrival changes what is found in it. */
export interface CallClaims {
  readonly key: string;
  readonly claims: ReadonlyMap<string, Claim>;
}

/** Claims of which nothing is known yet. */
export const noClaims = (key: string): CallClaims => ({ key, claims: new Map() });

/** Takes in claims; tells the two runs of a call what was found. Pure. */
export const stepClaims = (
  state: CallClaims,
  steps: readonly AgentStep[],
): { readonly state: CallClaims; readonly produce: readonly OutgoingRecord[] } => {
  const claims = new Map(state.claims);
  const news: Claim[] = [];
  for (const step of steps) {
    if (!isClaim(step) || claims.has(step.step_id) || claims.size >= CLAIMS_MAX) continue;
    claims.set(step.step_id, step);
    news.push(step);
  }
  const next: CallClaims = { key: state.key, claims };
  return { state: next, produce: isLogClaimsKey(state.key) ? logFindings(state, next) : spanFindings(state, news) };
};

/** What each new claim says together with those before it. */
const spanFindings = (state: CallClaims, news: readonly Claim[]): readonly OutgoingRecord[] => {
  const known = [...state.claims.values()];
  return news.flatMap((claim) => {
    const found = known.flatMap((other) => {
      const [lost, placed] = isLost(claim) ? [claim, other] : [other, claim];
      return areLostAndPlaced(lost, placed) ? findingOf(lost, placed) : [];
    });
    known.push(claim);
    return found;
  });
};

/** Nothing stands above it in its trace. */
const isLost = (claim: Claim): boolean => claim.parent_span_id === '';

/**
 * Whether `lost` stands in a trace without anything above it and is what `placed` tells of from within another run:
 * another voice, one within the other's time, equal model and figures, no two response ids. Another service must stand
 * between the two (a gateway, by its token) and name the same response: agents may well ask the same at the same time,
 * and test servers repeat response ids.
 */
const areLostAndPlaced = (lost: Claim, placed: Claim): boolean =>
  isLost(lost) &&
  !isLost(placed) &&
  runOf(lost) !== runOf(placed) &&
  voiceOf(lost) !== voiceOf(placed) &&
  (lost.service === placed.service || isBetween(lost, placed)) &&
  !haveDifferentIds(lost, placed) &&
  isOneInside(lost, placed) &&
  haveSameModel(lost, placed) &&
  haveSameFigures(lost, placed);

const isBetween = (lost: Claim, placed: Claim): boolean =>
  lost.vantage !== placed.vantage && isTold(lost.response_id) && lost.response_id === placed.response_id;

// ------------------------------------------------------------------------- text

/** How the text of claims begins; no run's does. */
const TEXT_BEGINS = '{"claims":1,';

/** Whether this is text `serialiseClaims` wrote. */
export const isClaimsText = (text: string): boolean => text.startsWith(TEXT_BEGINS);

/** What claims of one key differ in; what is as in a blank step is left out. Equal states give equal text. */
export const serialiseClaims = ({ key, claims }: CallClaims): string =>
  JSON.stringify({
    claims: 1,
    k: key,
    c: [...claims.values()].sort((a, b) => (a.step_id < b.step_id ? -1 : 1)).map(sparse),
  });

const CLAIM_FIELDS = [
  ...([
    'step_id',
    'start_unix_micros',
    'end_unix_micros',
    'span_id',
    'parent_span_id',
    'step_kind',
    'service',
  ] as const),
  ...(['vantage', 'signal', 'name', 'scope_name', 'provider', 'request_model', 'response_model'] as const),
  ...(['response_id', 'region', 'service_tier', 'session_id', 'user_id', 'agent_name', 'workflow'] as const),
  ...(['environment', 'account', 'call', 'facts'] as const),
];
const BLANK: Readonly<Partial<AgentStep>> = BLANK_STEP;
const sparse = (step: Claim): object => {
  const told: Record<string, unknown> = {};
  for (const field of CLAIM_FIELDS) if (step[field] !== BLANK[field]) told[field] = step[field];
  return told;
};

/** Reads text `serialiseClaims` wrote. */
export const parseClaims = (text: string): CallClaims => {
  const stored = JSON.parse(text) as { readonly k: string; readonly c: readonly Claim[] };
  const same = { ...BLANK_STEP, tenant_id: stored.k.slice(0, stored.k.indexOf('|')), logged_at_ms: 0 };
  return { key: stored.k, claims: new Map(stored.c.map((claim) => [claim.step_id, { ...same, ...claim }])) };
};
