import type { AgentStep } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';
import { haveDifferentIds, haveSameFigures, haveSameModel, isTold, LOG_SLACK_MICROS, voiceOf } from './call-match.ts';
import { type Claim, claimOf, runOf } from './claim.ts';
import { evidenceOf, inputTotal, outputTotal } from './evidence.ts';
import { ownRecord, settledFindings } from './findings.ts';

/**
 * Calls told by log records that name no trace, beside a span that tells the same call in a run of its own: the record
 * lies in the run of its conversation and repeats what the span says. Both are told once more under a key that they
 * share (service, end, output tokens), and there each record is given to one span at most, so that as many calls stay
 * as the one who tells most of them tells.
 */

/** Families without a file of their own. Of the others it is known which of their signals tells the call. */
const WITHOUT_FILE: ReadonlySet<string> = new Set(['generic', 'otel-gen-ai']);

/**
 * A span is told under the beat it ended in, a log record under those its slack reaches into: a record is written when
 * the answer is complete. Twice the slack, so that they are two at most; a state has few claims if beats are short.
 */
const BEAT_MICROS = 2 * LOG_SLACK_MICROS;
const KEY_BEGINS = 'log-';

/** Whether a state of this key holds claims of log records. */
export const isLogClaimsKey = (key: string): boolean => key.includes(`|#${KEY_BEGINS}`);

/** What new steps of a run say of calls that a log record or a span of another run may tell as well. */
export const logClaimsOf = (news: readonly AgentStep[]): readonly OutgoingRecord[] =>
  news.filter(mayBeToldTwice).flatMap((step) => {
    const { call } = evidenceOf(step);
    if (call === null) return [];
    const output = outputTotal(call) ?? 0;
    if (output <= 0 || (inputTotal(call) ?? 0) <= 0) return [];
    const slacks = step.signal === 'span' ? [0] : [-LOG_SLACK_MICROS, LOG_SLACK_MICROS];
    const beats = slacks.map((slack) => Math.floor(Math.max(0, step.end_unix_micros + slack) / BEAT_MICROS));
    return [...new Set(beats)].map((at) =>
      ownRecord('claim', logClaimOf({ ...step, call }, keyOf(at, step.service, output))),
    );
  });

/** A span that tells figures, a wrapper's too; a log record of a call that names no trace. */
const mayBeToldTwice = ({ family, signal, trace_id, call }: AgentStep): boolean => {
  if (!WITHOUT_FILE.has(family) || call === null || call.estimated) return false;
  return signal === 'span' || (trace_id === '' && call.role === 'leaf');
};

const keyOf = (beat: number, service: string, output: number): string =>
  `${KEY_BEGINS}${beat}-${hash128([service, String(output)]).slice(0, 16)}`;

/** A record says of its call what no span of another run knows: the conversation, the person, the agent. */
const logClaimOf = (step: AgentStep, key: string): AgentStep => ({
  ...claimOf(step, key),
  signal: step.signal,
  name: step.signal === 'span' ? '' : step.name,
  span_id: step.span_id,
  session_id: step.session_id,
  user_id: step.user_id,
  agent_name: step.agent_name,
  workflow: step.workflow,
  environment: step.environment,
  account: step.account,
});

/** All that is claimed under one key. */
interface Claimed {
  readonly key: string;
  readonly claims: ReadonlyMap<string, Claim>;
}

/** What the runs of each record are told whose span is another one after the claims have grown. */
export const logFindings = (before: Claimed, after: Claimed): readonly OutgoingRecord[] => {
  // Whatever is found anew is found because the claims grew: their number tells which finding is the newest.
  const revision = after.claims.size;
  if (revision === before.claims.size) return [];
  const [had, has] = [spansOfRecords(before.claims), spansOfRecords(after.claims)];
  return [...after.claims.values()]
    .filter(({ step_id }) => had.get(step_id) !== has.get(step_id))
    .flatMap((record) =>
      settledFindings({
        record,
        key: after.key,
        before: had.get(record.step_id) ?? null,
        after: has.get(record.step_id) ?? null,
        revision,
      }),
    );
};

/**
 * The span that tells the call of a record, by the record's step_id; a function of the set of claims. Of what one
 * voice says each span takes one record: two records of it are two calls, also where only one of them has a span.
 */
const spansOfRecords = (claims: ReadonlyMap<string, Claim>): ReadonlyMap<string, Claim> => {
  const all = [...claims.values()].sort(byEnd);
  const records = Map.groupBy(
    all.filter(({ signal }) => signal !== 'span'),
    voiceOf,
  );
  if (records.size === 0) return new Map();
  const given: Given = { found: new Map(), holders: new Map() };
  const spans = withoutOuter(all.filter(({ signal }) => signal === 'span'));
  for (const ofOneVoice of records.values()) {
    const free = new Set(spans);
    // Who names the same response is served first: the others can do with any span.
    for (const record of ofOneVoice) give(given, free, record, haveSameId);
    for (const record of ofOneVoice) give(given, free, record, areRecordAndSpan);
  }
  return given.found;
};

interface Given {
  readonly found: Map<string, Claim>;
  /** Whom a span was given to: what another voice says of it must not be of another response. */
  readonly holders: Map<Claim, readonly Claim[]>;
}

const give = (
  { found, holders }: Given,
  free: Set<Claim>,
  record: Claim,
  isSought: (record: Claim, span: Claim) => boolean,
): void => {
  if (found.has(record.step_id)) return;
  const holdersOf = (span: Claim): readonly Claim[] => holders.get(span) ?? [];
  const fitting = [...free]
    .filter((span) => isSought(record, span) && areRecordAndSpan(record, span))
    .filter((span) => !holdersOf(span).some((holder) => haveDifferentIds(holder, record)))
    .sort(leavesFirst);
  const [first] = fitting;
  if (first === undefined) return;
  found.set(record.step_id, first);
  for (const span of oneOfEachVoice(fitting)) {
    free.delete(span);
    holders.set(span, [...holdersOf(span), record]);
  }
};

/** Two instrumentations may tell one call by two spans: what is given to a record is one span of each. */
const oneOfEachVoice = (spans: readonly Claim[]): Iterable<Claim> => {
  const first = new Map<string, Claim>();
  for (const span of spans) if (!first.has(voiceOf(span))) first.set(voiceOf(span), span);
  return first.values();
};

const byEnd = (a: Claim, b: Claim): number => a.end_unix_micros - b.end_unix_micros || (a.step_id < b.step_id ? -1 : 1);

/** A span that tells a call before one that sums; the sort is stable, so the order of their ends is kept. */
const leavesFirst = (a: Claim, b: Claim): number => Number(isWrapper(a)) - Number(isWrapper(b));
const isWrapper = ({ call }: Claim): boolean => call.role === 'wrapper';

/** Without spans that only repeat, for what is around it, the figures of another one of their run. */
const withoutOuter = (spans: readonly Claim[]): readonly Claim[] =>
  spans.filter((span) => !spans.some((other) => isAround(span, other)));

const isAround = (outer: Claim, inner: Claim): boolean => {
  if (outer === inner || runOf(outer) !== runOf(inner)) return false;
  if (inner.parent_span_id !== '' && inner.parent_span_id === outer.span_id) return true;
  if (!isWrapper(outer)) return false;
  const early = inner.start_unix_micros - outer.start_unix_micros;
  const late = outer.end_unix_micros - inner.end_unix_micros;
  if (early < 0 || late < 0) return false;
  // Of two of just the same time one stays.
  return early + late > 0 || !isWrapper(inner) || outer.step_id > inner.step_id;
};

/** Equal model and figures, no two responses and no two conversations, and the record written near the span's end. */
const areRecordAndSpan = (record: Claim, span: Claim): boolean =>
  record.service === span.service &&
  Math.abs(record.end_unix_micros - span.end_unix_micros) <= LOG_SLACK_MICROS &&
  record.end_unix_micros >= span.start_unix_micros - LOG_SLACK_MICROS &&
  !haveDifferentIds(record, span) &&
  !haveDifferentSessions(record, span) &&
  haveSameModel(record, span) &&
  haveSameFigures(record, span);

const haveSameId = (a: Claim, b: Claim): boolean => isTold(a.response_id) && a.response_id === b.response_id;

const haveDifferentSessions = (a: Claim, b: Claim): boolean =>
  isTold(a.session_id) && isTold(b.session_id) && a.session_id !== b.session_id;
