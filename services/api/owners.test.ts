import { readFileSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testApi } from '../../test/support/api.ts';
import { startTestEngine, type TestEngine } from '../../test/support/engine.ts';
import { entryRow, type SeedCall } from '../../test/support/seed-builders.ts';
import { insertRows } from '../../test/support/seed-rows.ts';
import { systemClock } from '../runtime/clock.ts';
import { readOwners } from './owners.ts';

const problemsOf = (yaml: string): readonly string[] => {
  const read = readOwners('c.yaml', yaml);
  return read.kind === 'ok' ? [] : read.problems.map(({ key, value, allowed }) => `${key} | ${value} | ${allowed}`);
};

describe('a catalog file', () => {
  test('the one that comes with it is right', () => {
    const yaml = readFileSync(new URL('../../config/catalog.yaml', import.meta.url), 'utf8');
    expect(problemsOf(yaml)).toEqual([]);
  });

  test('an empty one says that nobody owns anything', () => {
    expect(readOwners('c.yaml', '# nothing\n')).toEqual({ kind: 'ok', owners: [] });
    expect(readOwners('c.yaml', 'owners:\n')).toEqual({ kind: 'ok', owners: [] });
  });

  test('names every mistake at once, with its line', () => {
    expect(
      problemsOf(
        [
          'owners:',
          '  - {team: a}',
          '  - {team: unallocated, scope: {service: x}}',
          '  - {scope: {service: x}}',
          '  - {team: a, scope: {}}',
          '  - {team: a, scope: {label: {a: b, c: d}}}',
          '  - {team: a, scope: {tenant: "a|b"}}',
          '  - {team: a, scope: {servce: x, service: y}}',
          'teams: []',
        ].join('\n'),
      ),
    ).toEqual([
      expect.stringContaining('c.yaml:2 owners.0.scope | nothing |'),
      'c.yaml:3 owners.1.team | "unallocated" | text, 100 characters at most, other than unallocated',
      'c.yaml:4 owners.2 | {"scope":{"service":"x"}} | a team or a cost_centre',
      'c.yaml:5 owners.3.scope | {} | at least one thing that must match',
      'c.yaml:6 owners.4.scope.label | {"a":"b","c":"d"} | one label, such as {squad: core}',
      'c.yaml:7 owners.5.scope.tenant | "a|b" | a tenant: letters, digits and .@_-, 64 at most',
      'c.yaml:8 owners.6.scope.servce | unknown key | tenant, service, agent, workflow, user, label',
      'c.yaml:9 teams | unknown key | owners, tools',
    ]);
    expect(problemsOf('owners: [')).toEqual([expect.stringContaining('valid YAML')]);
  });
});

describe('costs by owner', () => {
  let engine: TestEngine;
  let app: FastifyInstance;
  const CATALOG = [
    'owners:',
    '  - {team: core, scope: {service: shop, label: {squad: core}}}',
    '  - {cost_centre: 4711, scope: {service: shop}}',
    '  - {team: sales, cost_centre: "1", scope: {service: shop}}',
    '  - {team: own, scope: {tenant: other}}',
    '  - {team: "it\'s", scope: {user: "o\'brien", agent: bot}}',
  ].join('\n');

  beforeAll(async () => {
    engine = await startTestEngine();
    const owners = readOwners('c.yaml', CATALOG);
    if (owners.kind === 'wrong') throw new Error(JSON.stringify(owners.problems));
    app = testApi(engine.store, { owners: owners.owners });
    const call = (cost: string | null): SeedCall => ({
      ...{ model: 'm', provider: 'p', input: 1, cached: 0, output: 1, reasoning: null },
      ...{ cost, why: cost === null ? 'no_price' : null },
    });
    const nowMs = systemClock.nowMs() - 60_000;
    const rows = [
      entryRow(nowMs, call('1'), { service: 'shop', labels: { squad: 'core' }, entry_id: 'a', call_id: 'a' }),
      entryRow(nowMs, call('2'), { service: 'shop', labels: { squad: 'other' }, entry_id: 'b', call_id: 'b' }),
      entryRow(nowMs, call('4'), { service: 'shop', tenant_id: 'other', entry_id: 'c', call_id: 'c' }),
      entryRow(nowMs, call('8'), { service: 'x', tenant_id: 'other', entry_id: 'd', call_id: 'd' }),
      entryRow(nowMs, call('16'), { service: 'x', agent_name: 'bot', user_id: "o'brien", entry_id: 'e', call_id: 'e' }),
      entryRow(nowMs, call('32'), { service: 'x', agent_name: 'bot', entry_id: 'f', call_id: 'f' }),
      entryRow(nowMs, call(null), { service: 'y', entry_id: 'g', call_id: 'g' }),
    ];
    await insertRows(engine.store, { ledger_entries: rows }, 'owners');
  });
  afterAll(async () => {
    await app?.close();
    await engine?.close();
  });

  const costs = async (query: string) => {
    const answer = await app.inject({ url: `/api/v1/costs?${query}`, headers: { host: 'localhost:7070' } });
    expect(answer.statusCode, answer.body).toBe(200);
    const { groups, total } = answer.json() as {
      groups: readonly Readonly<Record<string, string | number | null>>[];
      total: Readonly<Record<string, string | number | null>>;
    };
    return { groups, total };
  };
  const spend = async (query: string, key: string) =>
    Object.fromEntries((await costs(query)).groups.map((group) => [group[key], group['cost_usd']]));

  test('each call belongs to the first entry that matches it and names what was asked; the rest is shown as unallocated', async () => {
    expect(await spend('group_by=team', 'team')).toEqual({
      core: '1',
      sales: '6',
      own: '8',
      "it's": '16',
      unallocated: '32',
    });
    expect(await spend('group_by=cost_centre', 'cost_centre')).toEqual({ 4711: '7', unallocated: '56' });
  });

  test('groups of both add up to the total, and a team is a filter too', async () => {
    const { groups, total } = await costs('group_by=team,cost_centre,tenant_id');
    expect(groups.reduce((sum, group) => sum + Number(group['cost_usd'] ?? 0), 0)).toBe(Number(total['cost_usd']));
    expect(groups.reduce((sum, group) => sum + Number(group['calls']), 0)).toBe(7);
    expect(await spend('group_by=service&team=sales', 'service')).toEqual({ shop: '6' });
    expect(await spend('group_by=service&team=unallocated', 'service')).toEqual({ x: '32', y: null });
    expect(await spend('group_by=service&team=', 'service')).toEqual({ x: '32', y: null });
  });

  test('without a catalog all is unallocated', async () => {
    const bare = testApi(engine.store);
    const answer = await bare.inject({ url: '/api/v1/costs?group_by=team', headers: { host: 'localhost:7070' } });
    expect(answer.json()).toMatchObject({ groups: [{ team: 'unallocated', calls: 7, cost_usd: '63' }] });
    await bare.close();
  });
});
