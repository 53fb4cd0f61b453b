import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import type { LineageEdge } from '../../schemas/lineage-edge.ts';
import { touchFacts } from '../../schemas/step-touch.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { stepOf } from '../ledger/step-fixture.ts';
import type { Row } from '../runtime/ports.ts';
import { createLineageFold } from './fold.ts';
import { edgeText, netEdges } from './run-fixture.ts';
import { stepRun } from './run-step.ts';
import { emptyState, parseState, serialiseState } from './state.ts';
import { NO_TOOLS, readTools, type ToolCatalogue } from './tool-catalogue.ts';
import { createToolCatalogues } from './tool-catalogues.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const catalogueOf = (text: string): ToolCatalogue => {
  const read = readTools('catalog.yaml', text);
  if (read.kind === 'wrong') throw new Error(JSON.stringify(read.problems));
  return read.catalogue;
};
const CRM = catalogueOf(`owners: []
tools:
  - {tool: crm_lookup, reads: ["dataset:postgres://crm:5432/crm.public.customers"]}
  - {tool: "mail_*", tenant: acme, reads: ["file:/templates/mail.txt"], writes: ["host:SMTP.example.com"]}
`);

const tool = (id: string, name: string, [start, end]: readonly [number, number], more: Partial<AgentStep> = {}) =>
  stepOf(id, { step_kind: 'tool', tool_name: name, start_unix_micros: start, end_unix_micros: end, ...more });

const told = (tools: ToolCatalogue | undefined, batches: readonly (readonly AgentStep[])[]): readonly string[] => {
  let state = emptyState('acme|run-1');
  const rows: LineageEdge[] = [];
  for (const [at, batch] of batches.entries()) {
    const context = { batchId: `b-${at}`, loggedAtMs: 1_795_000_002_000 + at, tools };
    const stepped = stepRun(parseState(serialiseState(state)), batch, context);
    state = stepped.state;
    for (const table of stepped.tables) rows.push(...(table.rows as readonly unknown[] as readonly LineageEdge[]));
  }
  return netEdges(rows)
    .filter(({ edge }) => edge === 'reads' || edge === 'writes' || edge === 'derives')
    .map(edgeText);
};

describe('what tools are said to read and write', () => {
  const lookup = tool('l', 'crm_lookup', [10, 20]);
  const mail = tool('m', 'mail_send', [30, 40]);

  test('is told where no telemetry tells, and derivations follow from it', () => {
    expect(told(CRM, [[lookup, mail]])).toEqual([
      'dataset:postgres://crm:5432/crm.public.customers derives host:smtp.example.com (declared)',
      'file:/templates/mail.txt derives host:smtp.example.com [by=statement] (declared)',
      'tool:crm_lookup reads dataset:postgres://crm:5432/crm.public.customers (declared)',
      'tool:mail_send reads file:/templates/mail.txt (declared)',
      'tool:mail_send writes host:smtp.example.com (declared)',
    ]);
    expect(told(undefined, [[lookup, mail]])).toEqual([]);
    expect(told(NO_TOOLS, [[lookup, mail]])).toEqual([]);
  });

  test('counts for the tenant it is said of, for calls of the tool, and not where a call failed', () => {
    expect(CRM.touchesOf({ ...mail, tenant_id: 'other' })).toEqual([]);
    expect(CRM.touchesOf({ ...lookup, tenant_id: 'other' })).toHaveLength(1);
    expect(CRM.touchesOf({ ...lookup, step_kind: 'llm' })).toEqual([]);
    const failed = told(CRM, [[{ ...lookup, status: 'error' }, mail]]);
    expect(failed.filter((edge) => edge.includes('customers'))).toEqual([
      'tool:crm_lookup reads dataset:postgres://crm:5432/crm.public.customers (declared, failed)',
    ]);
  });

  test('gives way to what the client of the database tells', () => {
    const client = stepOf('db', {
      ...{ step_kind: 'data_access', parent_span_id: 'l', start_unix_micros: 12, end_unix_micros: 18 },
      facts: touchFacts([
        {
          ...{ way: 'reads', kind: 'dataset', namespace: 'postgres://crm-2:5432', name: 'crm.public.people' },
          ...{ statement: 0, flags: [], operation: 'select', columns: [] },
        },
      ]),
    });
    expect(told(CRM, [[lookup, client]]).join()).not.toContain('customers');
    expect(told(CRM, [[lookup], [client]]).join()).not.toContain('customers');
    expect(told(CRM, [[client], [lookup]]).join()).toContain('crm-2');
  });

  test(`is the same in any order of arrival, told twice or cut anywhere (SEED=${SEED})`, () => {
    const steps = [
      ...[lookup, mail, tool('m2', 'mail_draft', [5, 6]), tool('o', 'other', [1, 2])],
      stepOf('a', { step_kind: 'agent', agent_name: 'desk', start_unix_micros: 0, end_unix_micros: 99 }),
    ].map((step, at) => (at < 3 ? { ...step, parent_span_id: 'a' } : step));
    const expected = told(CRM, [steps]);
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...steps, ...steps], { minLength: steps.length * 2 }),
        fc.nat(10),
        (order, cut) => {
          expect(told(CRM, [order.slice(0, cut), order.slice(cut)])).toEqual(expected);
        },
      ),
      { numRuns: 100, seed: SEED },
    );
  });

  test('has one hash however it is written; a mistake is refused with its place', () => {
    const other = catalogueOf(`tools:
- tool: crm_lookup
  reads:
  - dataset:postgres://crm:5432/crm.public.customers
- {tool: "mail_*", writes: ["host:smtp.example.com"], reads: ["file:/templates/mail.txt"], tenant: acme}`);
    expect(other.hash).toBe(CRM.hash);
    expect(catalogueOf('owners: []').hash).toBe(NO_TOOLS.hash);
    const problems = (text: string) => {
      const read = readTools('c.yaml', text);
      return read.kind === 'wrong' ? read.problems.map(({ key }) => key) : [];
    };
    expect(problems('tools:\n  - {tool: x, reads: [customers]}').join()).toContain('c.yaml:2');
    expect(problems('tools:\n  - {tool: x}').join()).toContain('c.yaml:2');
    expect(problems('tools:\n  - {tool: x, read: ["host:a"]}').join()).toContain('c.yaml:2');
    expect(problems('tool: []').join()).toContain('c.yaml:1');
  });
});

describe('a batch that was open when the catalogue of tools changed', () => {
  const { signal } = new AbortController();
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startTestEngine();
  }, 120_000);
  afterAll(() => engine?.close());

  test('is made again by what it began with, which the store still has', async () => {
    await createToolCatalogues(CRM, engine.store).keep(1_795_000_000_000, signal);
    const now = createToolCatalogues(NO_TOOLS, engine.store);
    const fold = createLineageFold(now);
    const step = tool('l', 'crm_lookup', [10, 20]);
    const context = { batchId: 'b-1', loggedAtMs: 1_795_000_000_000, version: 1n };
    const readsUnder = (variant: string): number => {
      const rows = fold.step(fold.empty('acme|run-1'), [step], { ...context, variant }).tables[0]?.rows ?? [];
      return rows.filter((row) => row['edge'] === 'reads').length;
    };
    await fold.variant?.ready(CRM.hash, signal);
    expect([readsUnder(CRM.hash), readsUnder(NO_TOOLS.hash), readsUnder('')]).toEqual([1, 0, 0]);
    await expect(now.ready('f'.repeat(32), signal)).rejects.toMatchObject({ retryable: true });
  });

  test('whose intent is lost is known by the states it left', async () => {
    const catalogues = createToolCatalogues(CRM, engine.store);
    const fold = createLineageFold(catalogues);
    const context = { batchId: 'b-2', loggedAtMs: 1_795_000_000_000, version: 1n, variant: CRM.hash };
    const { state } = fold.step(fold.empty('acme|run-2'), [tool('l', 'crm_lookup', [10, 20])], context);
    const row: Row = {
      ...{ service: 'lineage', log_id: 'l', topic: 'agent_steps', partition: 0, run_key: 'acme|run-2', as_of: 1 },
      ...{ state: fold.serialise(state), batch_id: 'b-2', logged_at: '2026-11-18 12:00:00.000' },
    };
    await engine.store.insert('run_state', [row], { token: 'state' });
    expect(await catalogues.find('b-2', signal)).toBe(CRM.hash);
    expect(await catalogues.find('b-3', signal)).toBe('');
  });
});
