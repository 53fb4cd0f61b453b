import { z } from 'zod';
import { RULE_MODES, SEVERITIES } from '../../schemas/policy-violation.ts';
import { STEP_KINDS } from '../../schemas/step-kinds.ts';
import { isTenant } from '../../schemas/tenant.ts';
import { durationMicros } from './duration.ts';
import { DAYS, isZone, minuteOf } from './windows.ts';

/** What every document of a rule file begins with. */
export const API_VERSION = 'tachograph/v1';
export const DOCUMENT_KINDS = ['Rule', 'Detector', 'Lists'] as const;

const ID = /^[a-z0-9][a-z0-9._-]{0,99}$/;
/** A text that says the same whether it is no text at all or the wrong one. */
const text = (says: string, isOne: (value: string) => boolean) => z.string({ error: says }).refine(isOne, says);
const id = () => text('lower-case letters, digits and . _ -, 100 at most', (value) => ID.test(value));
const version = () =>
  text('three numbers in quotes, such as "1.0.0"', (value) => /^\d{1,6}(\.\d{1,6}){2}$/.test(value));
const duration = () => text('a duration such as 500ms, 30s, 10m, 6h, 1d', (value) => durationMicros(value) !== null);
const EXPRESSION_CHARS_MAX = 10_000;
const expression = () =>
  text(
    `a condition in quotes, of 1 to ${EXPRESSION_CHARS_MAX} characters`,
    ({ length }) => length > 0 && length <= EXPRESSION_CHARS_MAX,
  );
/** A list longer than this is a table, and belongs into a store. */
const ENTRIES_MAX = 1_000;
const NAME = /^[a-z][a-z0-9_]{0,62}$/;
const entries = <T extends z.ZodType>(key: RegExp, says: string, value: T) =>
  z
    .record(z.string().regex(key, says), value)
    .refine((map) => Object.keys(map).length <= ENTRIES_MAX, `at most ${ENTRIES_MAX} entries`);
const listName = <T extends z.ZodType>(value: T) =>
  entries(NAME, 'names are lower-case letters, digits and _', value).refine(
    (map) => !Object.hasOwn(map, 'exceptions'),
    'exceptions has a section of its own',
  );
const textList = () => z.array(z.string().min(1)).max(ENTRIES_MAX);

const LIST_VALUE = z.union(
  [
    z.number(),
    textList(),
    entries(/^.{1,256}$/s, 'keys of at most 256 characters', z.number()),
    entries(/^.{1,256}$/s, 'keys of at most 256 characters', textList()),
  ],
  { error: `a number, a list of texts, or numbers or lists of texts by key; each at most ${ENTRIES_MAX} long` },
);

const EXPECTATION = z.strictObject({
  at: duration().optional(),
  rule: id().optional(),
  title: z.string().optional(),
  severity: z.enum(SEVERITIES).optional(),
});

/** A test inside a rule file. Its steps are read by the table of fields (test-steps.ts). */
const TEST = z.strictObject({
  name: z.string().min(1),
  tenant: z.string().refine(isTenant, 'letters, digits and .@_-').optional(),
  start: z.iso.datetime({ error: 'a moment such as 2026-03-02T10:00:00Z' }).default('2026-03-02T10:00:00Z'),
  lists: listName(LIST_VALUE).optional(),
  exceptions: listName(textList()).optional(),
  steps: z.array(z.record(z.string(), z.unknown())).min(1).max(1_000),
  expect: z.array(EXPECTATION).max(1_000),
});

const MAPS = z.strictObject({
  owasp_llm: z.array(z.string()).optional(),
  owasp_asi: z.array(z.string()).optional(),
  atlas: z.array(z.string()).optional(),
  nist: z.array(z.string()).optional(),
});

const KINDS = z.array(z.enum(STEP_KINDS)).min(1, `at least one of ${STEP_KINDS.join(', ')}`);

const HEAD = {
  apiVersion: z.literal(API_VERSION),
  id: id(),
  version: version(),
  description: z.string().max(2_000).optional(),
};

/** What rules and detectors share. */
export const JUDGE_HEAD = {
  ...HEAD,
  title: z.string().min(1).max(300),
  mode: z.enum(RULE_MODES).default('alert'),
  maps: MAPS.default({}),
  tests: z.array(TEST).max(200).default([]),
};

export const RULE = z.strictObject({
  ...JUDGE_HEAD,
  kind: z.literal('Rule'),
  severity: z.enum(SEVERITIES),
  on: KINDS,
  requires: z.array(z.string()).max(50).default([]),
  when: expression(),
  unless: expression().optional(),
  dedupe: z.strictObject({ key: z.array(z.string()).max(10).default([]), window: duration().optional() }).optional(),
});
export type RuleDocument = Readonly<z.output<typeof RULE>>;
export type RuleTest = RuleDocument['tests'][number];

/** How a list is declared without giving it: rules of it load, and say "not configured". */
export const LIST_SHAPES = {
  list: 'list<string>',
  'lists by key': 'map<string, list<string>>',
  number: 'double',
  'numbers by key': 'map<string, double>',
} as const;

const TIME = text('a time of day in quotes, such as "08:30"', (value) => minuteOf(value) !== null);

export const LISTS = z.strictObject({
  ...HEAD,
  kind: z.literal('Lists'),
  tenant: z.string().refine(isTenant, 'letters, digits and .@_-, 64 at most').optional(),
  declare: listName(z.enum(['list', 'lists by key', 'number', 'numbers by key'])).default({}),
  lists: listName(LIST_VALUE).default({}),
  exceptions: z
    .array(
      z.strictObject({
        list: z.string().regex(NAME, 'lower-case letters, digits and _'),
        value: z.string().min(1),
        owner: z.string().min(1),
        expires: z.iso.date({ error: 'a date such as 2026-12-31: no exception is for ever' }),
        reason: z.string().min(1),
      }),
    )
    .max(ENTRIES_MAX)
    .default([]),
  windows: entries(
    NAME,
    'names are lower-case letters, digits and _',
    z.strictObject({
      days: z.array(z.enum(DAYS)).min(1),
      from: TIME,
      to: TIME,
      zone: z.string().refine(isZone, 'a time zone such as Europe/Berlin'),
    }),
  ).default({}),
});
export type ListsDocument = Readonly<z.output<typeof LISTS>>;
