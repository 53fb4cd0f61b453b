import { type Document, isScalar, visit } from 'yaml';
import { z } from 'zod';
import { isTenant } from '../../../schemas/tenant.ts';
import type { ConfigProblem } from '../../runtime/errors.ts';
import { readYaml } from '../../runtime/yaml-file.ts';
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
  const read = readYaml(file, yaml, {
    schema: FILE,
    empty: { budgets: [] },
    noun: 'a list of budgets',
    keysAt: (path) => (path.length === 0 ? 'budgets' : knownKeys(path)),
    prepare: keepAmountsAsWritten,
  });
  if (read.kind === 'wrong') return read;
  const budgets = (read.value.budgets ?? []).map(budgetOf);
  const twice = budgets.flatMap((budget, at) =>
    budgets.findIndex((other) => other.id === budget.id) < at
      ? [{ key: `${file}:${read.lineOf(['budgets', at, 'id'])} id`, value: budget.id, allowed: 'an id of its own' }]
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

const knownKeys = (path: readonly PropertyKey[]): string =>
  path.at(-1) === 'scope' ? 'tenant, agent, workflow, service' : Object.keys(BUDGET.shape).join(', ');

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
