import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { encodeLogs, encodeTraces } from '../../schemas/otlp/encode.ts';
import { createLedgerFold } from '../../services/ledger/fold.ts';
import { createPriceBook } from '../../services/ledger/prices/registry.ts';
import { createLineageFold } from '../../services/lineage/fold.ts';
import {
  attributeList,
  normalize,
  recordOf,
  span,
  spanRequest,
  stepsOf,
} from '../../services/normalizer/batch-fixture.ts';
import { type Column, encodeBlock } from '../../services/runtime/native/block.ts';
import { parseColumnType } from '../../services/runtime/native/column-type.ts';
import type { Fold } from '../../services/runtime/stream/fold-task.ts';
import type { TableRows } from '../../services/runtime/stream/types.ts';
import { arbitraryLogs, arbitraryTraces } from '../support/arbitrary-otlp.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** The columns of a table, as its DDL has them. */
const columnsOf = (table: string): ReadonlyMap<string, Column> => {
  const folder = new URL('../../schemas/sql/', import.meta.url);
  const ddl = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => readFileSync(new URL(file, folder), 'utf8'))
    .join('\n');
  const body = ddl.split(`{{db}}.${table} `)[1]?.split('\n)')[0] ?? '';
  const added = new RegExp(`\\.${table} .*ADD COLUMN IF NOT EXISTS ([a-z]\\w*) ([A-Z].*?)(?: DEFAULT .*?)?;$`, 'gm');
  const columns = [
    ...body.matchAll(/^ {2}([a-z]\w*) ([A-Z].*?)(?: DEFAULT .*?| CODEC.*?)?,?$/gm),
    ...ddl.matchAll(added),
  ].map(([, name = '', typeText = '']) => {
    const type = parseColumnType(typeText);
    if (type === null) throw new Error(`${table}.${name} ${typeText}`);
    return { name, typeText, type };
  });
  return new Map(columns.map((column) => [column.name, column]));
};

/** Throws, as the store would refuse it, when a row does not fit. */
const assertFits = ({ table, rows }: Pick<TableRows, 'table' | 'rows'>): void => {
  if (rows.length === 0) return;
  const known = columnsOf(table);
  const names = new Set(rows.flatMap((row) => Object.keys(row).filter((name) => row[name] !== undefined)));
  const used = [...names].map((name) => {
    const column = known.get(name);
    if (column === undefined) throw new Error(`${table} has no column ${name}`);
    return column;
  });
  encodeBlock(used, rows);
};

const context = { batchId: 'b', loggedAtMs: 1_795_300_000_123, version: 1n, variant: '' };
const assertFoldFits = <State>(fold: Fold<AgentStep, State>, steps: readonly AgentStep[]): void => {
  for (const [key, own] of Map.groupBy(steps, fold.keyOf))
    for (const rows of fold.step(fold.empty(key), own, context).tables) assertFits(rows);
};
const folds = [createLedgerFold(createPriceBook()), createLineageFold()] as const;

const assertAllFit = (value: Uint8Array, topic: 'otlp_spans' | 'otlp_logs'): void => {
  const batch = normalize([recordOf(value)], topic === 'otlp_spans' ? 'spans' : 'logs');
  for (const rows of batch.output.tables) assertFits(rows);
  const steps = stepsOf(batch);
  assertFoldFits(folds[0], steps);
  assertFoldFits(folds[1], steps);
};

test(`whatever a sender says, no row of the normalizer, ledger or lineage is refused by its table (seed ${SEED})`, () => {
  const options = { seed: SEED, numRuns: 60 };
  fc.assert(
    fc.property(arbitraryTraces, (items) => assertAllFit(encodeTraces(items), 'otlp_spans')),
    options,
  );
  fc.assert(
    fc.property(arbitraryLogs, (items) => assertAllFit(encodeLogs(items), 'otlp_logs')),
    options,
  );
});

/** Keys the conventions read, with values at the edges of what a number can be. */
const KEYS = [
  ...[
    'input_tokens',
    'output_tokens',
    'cost',
    'cache_read.input_tokens',
    'reasoning.output_tokens',
    'prompt_tokens',
  ].map((key) => `gen_ai.usage.${key}`),
  ...['gen_ai.usage.details.images', 'llm.usage.total_tokens', 'ai.usage.inputTokens', 'http.request.resend_count'],
  ...['gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.conversation.id', 'user.id', 'gen_ai.agent.name'],
  ...['gen_ai.tool.name', 'db.namespace', 'server.port', 'error.type', 'tacho.data.rows', 'tacho.egress.bytes_out'],
];
const edge = fc.oneof(
  fc.constantFrom(0, -1, 1.5, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e300, Number.MAX_VALUE, Number.MIN_VALUE),
  fc.constantFrom('', 'NaN', '-5', '1e400', '99999999999999999999999999', '0.0000000000000001', '\ud800', 'gpt-4o'),
  fc.boolean(),
);
const nanos = fc.oneof(
  fc.constantFrom('0', '1', '18446744073709551615', '9223372036854775808', '10413792000000000000'),
  fc.constantFrom('1795300000000000000', '1795300000000000001'),
);

test(`nor at the edges of what usage, costs and times can say (seed ${SEED})`, () => {
  const one = fc.record({
    attributes: fc.dictionary(fc.constantFrom(...KEYS), edge, { maxKeys: 12 }),
    operation: fc.constantFrom('chat', 'embeddings', 'execute_tool', 'invoke_agent'),
    startTimeUnixNano: nanos,
    endTimeUnixNano: nanos,
  });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 6 }), (some) => {
      const spans = some.map(({ attributes, operation, ...times }, at) =>
        span(
          {},
          {
            ...times,
            spanId: `b7ad6b71692033${String(30 + at)}`,
            attributes: attributeList({ ...attributes, 'gen_ai.operation.name': operation, 'gen_ai.system': 'openai' }),
          },
        ),
      );
      assertAllFit(spanRequest(spans), 'otlp_spans');
    }),
    { seed: SEED, numRuns: 400 },
  );
  expect(columnsOf('spans').size).toBeGreaterThan(50);
});
