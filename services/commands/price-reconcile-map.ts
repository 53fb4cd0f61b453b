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
  }) as z.ZodType<Columns>,
  input_includes_cache: z.boolean().default(false),
  models: names,
  accounts: names,
});

/** The export's column of each thing it tells; absent: it does not tell. */
export type Columns = Readonly<
  { day: string; model: string } & Partial<Record<'account' | 'calls' | 'cost_usd' | ToldTokens, string>>
>;

/** How to read an export. */
export interface Mapping {
  /** Only the ledger's calls of this provider; null: of all. */
  readonly provider: string | null;
  readonly columns: Columns;
  /** The export's input counts what was read from or written to a cache. */
  readonly input_includes_cache: boolean;
  /** Names of the export → names of the ledger. */
  readonly models: ReadonlyMap<string, string>;
  readonly accounts: ReadonlyMap<string, string>;
}

/** Forms of exports that are known, by the name `--map` takes. */
export const READY_MADE: ReadonlyMap<string, Mapping> = new Map([
  [
    // https://platform.openai.com/docs/api-reference/usage/completions: the pages of GET /v1/organization/usage/completions with
    // group_by=model,project_id, one JSON document a line or one document. Tokens only: it tells no amounts.
    'openai-usage',
    {
      provider: 'openai',
      columns: {
        ...{ day: 'start_time', model: 'model', account: 'project_id', calls: 'num_model_requests' },
        ...{ input_tokens: 'input_tokens', cache_read_tokens: 'input_cached_tokens', output_tokens: 'output_tokens' },
      },
      input_includes_cache: true,
      models: new Map(),
      accounts: new Map(),
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
        ? 'provider, columns, input_includes_cache, models, accounts'
        : `day, model, account, calls, ${TOLD_TOKENS.join(', ')}, cost_usd`,
  });
  if (read.kind === 'wrong') throw new ConfigError(read.problems);
  const { columns } = read.value;
  const tells = [columns.calls, columns.cost_usd, ...TOLD_TOKENS.map((name) => columns[name])];
  if (tells.every((name) => name === undefined))
    throw new ConfigError([{ key: `${file}: columns`, value: 'no figure', allowed: 'calls, tokens or cost_usd' }]);
  return {
    ...read.value,
    provider: read.value.provider ?? null,
    // A model may well be called like something every object has.
    models: new Map(Object.entries(read.value.models)),
    accounts: new Map(Object.entries(read.value.accounts)),
  };
};
