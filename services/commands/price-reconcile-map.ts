import { z } from 'zod';
import { ConfigError } from '../runtime/errors.ts';
import { readYaml } from '../runtime/yaml-file.ts';

/** What an export may tell, by the name a mapping gives it. Input is uncached unless `input_includes_cache` says otherwise. */
export const TOLD_TOKENS = [
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'cache_write_1h_tokens',
  'output_tokens',
] as const;
export type ToldTokens = (typeof TOLD_TOKENS)[number];

const column = z.string().min(1).max(256);
const names = z.record(z.string(), z.string().min(1).max(256)).default({});
const MAPPING = z.strictObject({
  provider: z.string().min(1).max(64).optional(),
  columns: z.strictObject({
    day: column,
    model: column,
    account: column.optional(),
    calls: column.optional(),
    ...Object.fromEntries(TOLD_TOKENS.map((name) => [name, column.optional()])),
    cost_usd: column.optional(),
    currency: column.optional(),
  }) as z.ZodType<Columns>,
  input_includes_cache: z.boolean().default(false),
  amounts_in: z.enum(['usd', 'cents'], { error: 'usd or cents' }).default('usd'),
  model_ends_at: z.string().min(1).max(16).optional(),
  only: z
    .record(column, z.union([z.string().transform((value) => [value]), z.array(z.string()).min(1).max(200)]))
    .default({}),
  models: names,
  accounts: names,
});

/** The export's column of each thing it tells; absent: it does not tell. */
export type Columns = Readonly<
  { day: string; model: string } & Partial<Record<'account' | 'calls' | 'cost_usd' | 'currency' | ToldTokens, string>>
>;

/** How to read an export. */
export interface Mapping {
  /** Only the ledger's calls of this provider; null: of all. */
  readonly provider: string | null;
  readonly columns: Columns;
  /** The export's input counts what was read from or written to a cache. */
  readonly input_includes_cache: boolean;
  readonly amounts_in: 'usd' | 'cents';
  /** What follows it in the model's column is no part of the name; null: nothing does. */
  readonly model_ends_at: string | null;
  /** Columns and the values a line must have in them to count; an export may be of a whole cloud. */
  readonly only: ReadonlyMap<string, readonly string[]>;
  /** Names of the export → names of the ledger. */
  readonly models: ReadonlyMap<string, string>;
  readonly accounts: ReadonlyMap<string, string>;
}

const PLAIN: Omit<Mapping, 'provider' | 'columns'> = {
  ...{ input_includes_cache: false, amounts_in: 'usd', model_ends_at: null },
  ...{ only: new Map(), models: new Map(), accounts: new Map() },
};

/** Forms of exports that are known, by the name `--map` takes. Each is the provider's own JSON, one document or one a line. */
export const READY_MADE: ReadonlyMap<string, Mapping> = new Map<string, Mapping>([
  [
    // https://platform.openai.com/docs/api-reference/usage/completions: the pages of GET /v1/organization/usage/completions with
    // group_by=model,project_id, one JSON document a line or one document. Tokens only: it tells no amounts.
    'openai-usage',
    {
      ...PLAIN,
      provider: 'openai',
      columns: {
        ...{ day: 'start_time', model: 'model', account: 'project_id', calls: 'num_model_requests' },
        ...{ input_tokens: 'input_tokens', cache_read_tokens: 'input_cached_tokens', output_tokens: 'output_tokens' },
      },
      input_includes_cache: true,
    },
  ],
  [
    // https://platform.openai.com/docs/api-reference/usage/costs: GET /v1/organization/costs with group_by=line_item,project_id.
    // Amounts only; a line item begins with the model's name ("gpt-4o-2024-08-06, input") or names something else.
    'openai-costs',
    {
      ...PLAIN,
      provider: 'openai',
      columns: {
        ...{ day: 'start_time', model: 'line_item', account: 'project_id' },
        ...{ cost_usd: 'amount.value', currency: 'amount.currency' },
      },
      model_ends_at: ', ',
    },
  ],
  [
    // https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report: GET
    // /v1/organizations/usage_report/messages with bucket_width=1d and group_by[]=model,workspace_id. Tokens, and no calls.
    'anthropic-usage',
    {
      ...PLAIN,
      provider: 'anthropic',
      columns: {
        ...{ day: 'starting_at', model: 'model', account: 'workspace_id' },
        ...{ input_tokens: 'uncached_input_tokens', cache_read_tokens: 'cache_read_input_tokens' },
        cache_write_tokens: 'cache_creation.ephemeral_5m_input_tokens',
        cache_write_1h_tokens: 'cache_creation.ephemeral_1h_input_tokens',
        output_tokens: 'output_tokens',
      },
    },
  ],
  [
    // https://platform.claude.com/docs/en/api/admin/cost_report: GET /v1/organizations/cost_report with
    // group_by[]=workspace_id,description. Amounts in cents; searches and code execution stand under no model.
    'anthropic-cost',
    {
      ...PLAIN,
      provider: 'anthropic',
      columns: {
        ...{ day: 'starting_at', model: 'model', account: 'workspace_id' },
        ...{ cost_usd: 'amount', currency: 'currency' },
      },
      amounts_in: 'cents',
    },
  ],
]);

/** Reads a mapping file. Throws ConfigError with everything that is wrong, each with file and line. */
export const readMapping = (file: string, text: string): Mapping => {
  const read = readYaml(file, text, {
    schema: MAPPING,
    empty: {},
    noun: 'a mapping of columns (docs/reprice.md)',
    keysAt: (path) =>
      path.length === 0
        ? 'provider, columns, input_includes_cache, amounts_in, model_ends_at, only, models, accounts'
        : `day, model, account, calls, ${TOLD_TOKENS.join(', ')}, cost_usd, currency`,
  });
  if (read.kind === 'wrong') throw new ConfigError(read.problems);
  const { columns } = read.value;
  const tells = [columns.calls, columns.cost_usd, ...TOLD_TOKENS.map((name) => columns[name])];
  if (tells.every((name) => name === undefined))
    throw new ConfigError([{ key: `${file}: columns`, value: 'no figure', allowed: 'calls, tokens or cost_usd' }]);
  return {
    ...read.value,
    provider: read.value.provider ?? null,
    model_ends_at: read.value.model_ends_at ?? null,
    only: new Map(Object.entries(read.value.only)),
    // A model may well be called like something every object has.
    models: new Map(Object.entries(read.value.models)),
    accounts: new Map(Object.entries(read.value.accounts)),
  };
};
