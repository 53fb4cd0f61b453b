import { PRINT_FACTS, PRINTS_MAX } from '../../../schemas/step-touch.ts';
import type { Json } from '../json.ts';
import type { Redactor } from '../redact.ts';
import type { StepFacts } from '../step-facts.ts';
import { fingerprint } from '../text.ts';

/** Shorter values meet by chance: words, days, states, small numbers. */
const VALUE_CHARS_MIN = 16;
/** A longer value is compared by its beginning, and line by line. */
const VALUE_CHARS_MAX = 4096;
/** Values looked at in one step: a page of rows. Each costs a hash of some microseconds. */
const VALUES_MAX = 512;
/** 48 bits: of the values of one run, none meets another by chance. */
const PRINT_DIGITS = 12;

/**
 * Short hashes of the distinctive values a tool took and gave, so that a value which comes out of one and goes into
 * another is seen without keeping it. Of more than fit, the smallest hashes: the same choice on both sides.
 */
export const valuePrints = (facts: StepFacts, redactor: Redactor): Readonly<Record<string, string>> => {
  const isRetrieval = facts.stepKind === 'retrieval';
  const given = isRetrieval
    ? (facts.content ?? []).filter(({ direction }) => direction === 'output').map(({ content }) => content)
    : facts.toolResult;
  const took = printsOf(facts.toolArguments, redactor);
  const gave = printsOf(given as Json | undefined, redactor);
  return {
    ...(took === '' ? {} : { [PRINT_FACTS.in]: took }),
    ...(gave === '' ? {} : { [PRINT_FACTS.out]: gave }),
  };
};

const printsOf = (json: Json | undefined, redactor: Redactor): string => {
  if (json === undefined) return '';
  const values = new Set<string>();
  collect(json, values);
  const prints = [...values].flatMap((value) => {
    const clean = redactor.clean(value);
    // Two secrets look alike once they are masked: they prove nothing.
    return clean.includes('[redacted:') ? [] : [fingerprint(clean).slice(0, PRINT_DIGITS)];
  });
  return [...new Set(prints)].sort().slice(0, PRINTS_MAX).join(',');
};

/** Texts of a tree, whole and line by line. In rounds: a tree may be deeper than a stack. */
const collect = (json: Json, values: Set<string>): void => {
  const open: Json[] = [json];
  for (let next = open.pop(); next !== undefined && values.size < VALUES_MAX; next = open.pop()) {
    if (typeof next === 'string') addText(next, values);
    else if (Array.isArray(next)) open.push(...next.slice(0, VALUES_MAX));
    else if (typeof next === 'object' && next !== null) open.push(...Object.values(next).slice(0, VALUES_MAX));
  }
};

const addText = (text: string, values: Set<string>): void => {
  if (text.length < VALUE_CHARS_MIN) return;
  const trimmed = text.trim().slice(0, VALUE_CHARS_MAX);
  const lines = trimmed.includes('\n') ? trimmed.split('\n', VALUES_MAX).map((line) => line.trim()) : [];
  for (const value of [trimmed, ...lines]) if (value.length >= VALUE_CHARS_MIN) values.add(value.toWellFormed());
};
