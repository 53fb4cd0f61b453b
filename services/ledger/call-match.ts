import type { TokenBuckets } from '../../schemas/ledger-entry.ts';
import { hasUsage, inputTotal, type LeafEvidence, outputTotal } from './evidence.ts';

/** What one account of a call is compared by with another. */
export type Account = Pick<
  LeafEvidence,
  | 'signal'
  | 'name'
  | 'scope_name'
  | 'request_model'
  | 'response_model'
  | 'response_id'
  | 'start_unix_micros'
  | 'end_unix_micros'
> & { readonly call: TokenBuckets };

/** Log records are written when an answer is complete, a moment after the span around it ended. */
export const LOG_SLACK_MICROS = 2_000_000;

/** Whether two steps could be told by the same voice: one instrumentation does not describe one call twice. */
export const voiceOf = (leaf: Account): string =>
  leaf.signal === 'span' ? `span|${leaf.scope_name}` : `${leaf.signal}|${leaf.scope_name}|${leaf.name}`;

/** Two response ids that differ are two calls, whatever else agrees. */
export const haveDifferentIds = (a: Account, b: Account): boolean =>
  isTold(a.response_id) && isTold(b.response_id) && a.response_id !== b.response_id;

/** Whether the emitter said anything. */
export const isTold = (text: string | null): text is string => text !== null && text !== '';

/** Equal model as far as told; release dates do not tell models apart here, one of the two may be the requested name. */
export const haveSameModel = (a: Account, b: Account): boolean => {
  const names = modelNames(a);
  const others = modelNames(b);
  return names.length === 0 || others.length === 0 || names.some((name) => others.includes(name));
};

const modelNames = (leaf: Account): readonly string[] =>
  [leaf.request_model, leaf.response_model].filter(isTold).map((name) =>
    name
      .toLowerCase()
      .replace(/^.*\//, '')
      .replace(/(?:-20\d{2}-\d{2}-\d{2}|[-@]20\d{6}|-latest)$/, ''),
  );

/** Overlapping times; a log record is a point near the end of its call. */
export const doOverlap = (a: LeafEvidence, b: LeafEvidence): boolean => {
  const slack = a.signal === 'span' && b.signal === 'span' ? 0 : LOG_SLACK_MICROS;
  return a.start_unix_micros <= b.end_unix_micros + slack && b.start_unix_micros <= a.end_unix_micros + slack;
};

/** Whether the time of one lies within the other's. */
export const isOneInside = (a: Account, b: Account): boolean => isInside(a, b) || isInside(b, a);

const isInside = (inner: Account, outer: Account): boolean =>
  inner.start_unix_micros >= outer.start_unix_micros && inner.end_unix_micros <= outer.end_unix_micros;

/** Equal output, and input equal or equal after adding what was cached. Nothing told on a side matches nothing. */
export const haveSameFigures = (a: Account, b: Account): boolean => {
  const outputs = [outputTotal(a.call) ?? 0, outputTotal(b.call) ?? 0];
  const inputs = [inputTotal(a.call) ?? 0, inputTotal(b.call) ?? 0];
  if (outputs[0] !== outputs[1]) return false;
  const isInputEqual =
    inputs[0] === inputs[1] || inputs[0] === (b.call.input_tokens ?? 0) || (a.call.input_tokens ?? 0) === inputs[1];
  return isInputEqual && Math.max(...outputs, ...inputs) > 0;
};

/** Neither tells tokens, both say the same came of it, one within the other's time: two accounts of one failure. */
export const areSilentTwins = (a: LeafEvidence, b: LeafEvidence): boolean =>
  !hasUsage(a.call) &&
  !hasUsage(b.call) &&
  a.call.outcome === b.call.outcome &&
  isOneInside(a, b) &&
  modelNames(a).length > 0 &&
  modelNames(b).length > 0;

/** One of them counted locally: its figures prove nothing. */
export const isOneEstimated = (a: LeafEvidence, b: LeafEvidence): boolean => a.call.estimated !== b.call.estimated;
