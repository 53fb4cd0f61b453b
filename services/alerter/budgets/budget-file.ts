import { type Document, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { isTenant } from '../../../schemas/tenant.ts';
import type { ConfigProblem } from '../../runtime/errors.ts';
import type { Budget } from './budget.ts';
import { LEVEL_DECIMALS, parseExact, USD_DECIMALS } from './decimal.ts';
import { createDateReader } from './period.ts';

/** Budgets of one installation: each is a query every few seconds. */
const BUDGETS_MAX = 500;
const THRESHOLDS_MAX = 20;

const money = (isZeroAllowed: boolean) => {
  const error = `an amount of USD ${isZeroAllowed ? 'of 0 or more' : 'above 0'}, 12 decimal places at most, such as 25 or "0.05"`;
  return z
    .union([z.string(), z.number()], { error })
    .transform((value) => parseExact(typeof value === 'number' ? plainText(value) : value, USD_DECIMALS))
    .refine((amount): amount is bigint => amount !== null && (isZeroAllowed || amount > 0n), { error });
};

/** A YAML number as written out: 1e-7 has a meaning too. */
const plainText = (value: number): string =>
  /e/.test(String(value)) && value >= 0 && value < 1 ? value.toFixed(USD_DECIMALS) : String(value);

const text = (max: number) =>
  z
    .string({ error: `text, ${max} characters at most` })
    .min(1)
    .max(max);

const LEVEL_ERROR =
  'shares of the limit above 0 and up to 10, six decimal places at most, ascending, such as [0.5, 0.8, 1.0]';
const level = z
  .number({ error: LEVEL_ERROR })
  .refine((share) => share > 0 && share <= 10 && parseExact(String(share), LEVEL_DECIMALS) !== null, LEVEL_ERROR);

const BUDGET = z.strictObject({
  id: z
    .string({ error: 'letters, digits, ., _ and -, 64 at most' })
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, ., _ and -, 64 at most'),
  title: text(200).optional(),
  scope: z
    .strictObject({
      tenant: z.string().refine(isTenant, 'a tenant: letters, digits and .@_-, 64 at most').optional(),
      agent: text(300).optional(),
      workflow: text(300).optional(),
      service: text(300).optional(),
    })
    .default({}),
  period: z.enum(['day', 'month'], { error: 'day or month' }),
  timezone: z
    .string()
    .refine((zone) => createDateReader(zone) !== null, 'an IANA time zone such as Europe/Berlin')
    .default('UTC'),
  limit_usd: money(false),
  thresholds: z
    .array(level, { error: LEVEL_ERROR })
    .min(1, LEVEL_ERROR)
    .max(THRESHOLDS_MAX, `${THRESHOLDS_MAX} thresholds at most`)
    .refine((levels) => levels.every((share, at) => at === 0 || share > (levels[at - 1] ?? 0)), LEVEL_ERROR)
    .default([0.5, 0.8, 1]),
  unknown_call_ceiling_usd: money(true),
});

const FILE = z.strictObject({
  budgets: z.array(BUDGET).max(BUDGETS_MAX).nullable(),
});

/** Budgets, or everything that is wrong with them, each with file and line. */
export type BudgetsRead =
  | { readonly kind: 'ok'; readonly budgets: readonly Budget[] }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] };

/** Reads the text of a budgets file. `file` is how problems name it. */
export const readBudgets = (file: string, yaml: string): BudgetsRead => {
  const lines = new LineCounter();
  const document = parseDocument(yaml, { lineCounter: lines });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      key: `${file}:${error.linePos?.[0].line ?? 1}`,
      value: error.code,
      allowed: 'valid YAML',
    }));
    return { kind: 'wrong', problems };
  }
  keepAmountsAsWritten(document);
  const root = parsedValue(document);
  if (root === null)
    return { kind: 'wrong', problems: [{ key: file, value: 'too many aliases', allowed: 'a list of budgets' }] };
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : null;
      if (Array.isArray(range)) return lines.linePos(Number(range[0])).line;
    }
    return 1;
  };
  const parsed = FILE.safeParse(root);
  if (!parsed.success)
    return { kind: 'wrong', problems: parsed.error.issues.flatMap((one) => told(file, one, root, lineOf)) };
  const budgets = (parsed.data.budgets ?? []).map(budgetOf);
  const twice = budgets.flatMap((budget, at) =>
    budgets.findIndex((other) => other.id === budget.id) < at
      ? [{ key: `${file}:${lineOf(['budgets', at, 'id'])} id`, value: budget.id, allowed: 'an id of its own' }]
      : [],
  );
  return twice.length > 0 ? { kind: 'wrong', problems: twice } : { kind: 'ok', budgets };
};

/** Amounts stay text: as a YAML number `100000000.123456789012` would be rounded before anybody could say so. */
const keepAmountsAsWritten = (document: Document): void => {
  visit(document, {
    Pair: (_, { key, value }) => {
      if (!isScalar(key) || !isScalar(value) || !AMOUNTS.has(String(key.value))) return;
      if (typeof value.value === 'number' && /^\d+(\.\d+)?$/.test(value.source ?? '')) value.value = value.source;
    },
  });
};
const AMOUNTS: ReadonlySet<string> = new Set(['limit_usd', 'unknown_call_ceiling_usd']);

/** null when aliases would make a small text into a huge value. */
const parsedValue = (document: Document): unknown => {
  try {
    // An empty file, or one that is all comments, says that there is none.
    return document.toJS() ?? { budgets: [] };
  } catch {
    return null;
  }
};

const told = (
  file: string,
  issue: z.core.$ZodIssue,
  root: unknown,
  lineOf: (path: readonly PropertyKey[]) => number,
): readonly ConfigProblem[] => {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      key: `${file}:${lineOf([...issue.path, key])} ${[...issue.path, key].join('.')}`,
      value: 'unknown key',
      allowed: issue.path.length === 0 ? 'budgets' : knownKeys(issue.path),
    }));
  const value = shown(valueAt(root, issue.path));
  return [
    {
      key: `${file}:${lineOf(issue.path)} ${issue.path.join('.')}`,
      value: value.slice(0, 120),
      allowed: issue.message,
    },
  ];
};

/** YAML can refer to itself; JSON cannot. */
const shown = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? 'nothing';
  } catch {
    return 'a list within itself';
  }
};

const knownKeys = (path: readonly PropertyKey[]): string =>
  path.at(-1) === 'scope' ? 'tenant, agent, workflow, service' : Object.keys(BUDGET.shape).join(', ');

const valueAt = (root: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (node, key) => (typeof node === 'object' && node !== null ? Reflect.get(node, key) : undefined),
    root,
  );

const budgetOf = (read: z.output<typeof BUDGET>): Budget => ({
  id: read.id,
  title: read.title ?? read.id,
  scope: read.scope,
  period: read.period,
  timezone: read.timezone,
  limit: read.limit_usd,
  thresholds: read.thresholds,
  unknownCallCeiling: read.unknown_call_ceiling_usd,
});
