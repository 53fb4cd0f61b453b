import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSeededEngine, testApi } from '../../test/support/api.ts';
import type { TestEngine } from '../../test/support/engine.ts';
import { RICH_RUN } from '../../test/support/seed-builders.ts';
import { FLOW_VIOLATION } from '../../test/support/seed-incidents.ts';
import { createAccess, hashToken } from '../runtime/access-tokens.ts';
import { withoutContent } from './evidence-content.ts';

describe('what of evidence is content', () => {
  const of = (evidence: unknown) => withoutContent(JSON.stringify(evidence));

  test('arguments and results are withheld with their lengths; everything else stays', () => {
    expect(
      of({
        path: [{ span_id: 'a1', step_kind: 'tool', name: 'fetch_page', labels: ['untrusted'] }],
        inputs: {
          'e.tool.name': 'fetch_page',
          'e.tool.arguments': '{"to":"bob"}',
          'e.llm.total_tokens': 21_096,
          'e.pii.output': 'card_number',
          'e.tool.result': null,
        },
        condition: 'e.tool.arguments.contains("bob")',
        arguments_hash: 'ff00',
        matched: { value: 'sk-1', fields: ['args.body'] },
      }),
    ).toEqual({
      evidence: {
        path: [{ span_id: 'a1', step_kind: 'tool', name: 'fetch_page', labels: ['untrusted'] }],
        inputs: {
          'e.tool.name': 'fetch_page',
          'e.tool.arguments': { withheld: 'content', chars: 12 },
          'e.llm.total_tokens': 21_096,
          'e.pii.output': 'card_number',
          'e.tool.result': null,
        },
        condition: 'e.tool.arguments.contains("bob")',
        arguments_hash: 'ff00',
        matched: { value: { withheld: 'content', chars: 4 }, fields: ['args.body'] },
      },
      texts: 2,
    });
  });

  test('a field nobody has classed yet counts as content, a number in it too', () => {
    expect(of({ inputs: { 'e.brand.new': 4111 } })).toEqual({
      evidence: { inputs: { 'e.brand.new': { withheld: 'content', chars: 4 } } },
      texts: 1,
    });
  });

  test('evidence nested without end is withheld below a depth, and no text slips through', () => {
    const deep = Array.from({ length: 3000 }).reduce<unknown>((inner) => ({ on: inner }), 'SECRET');
    const found = of(deep);
    expect(found?.texts).toBe(1);
    expect(JSON.stringify(found?.evidence)).not.toContain('SECRET');
  });

  test('what is no JSON object is of unknown form', () => {
    for (const text of ['not json', '[]', '"text"', 'null', '']) expect(withoutContent(text)).toBeNull();
  });
});

describe('reading evidence', () => {
  let engine: TestEngine;
  let app: FastifyInstance;
  const BROKEN = 'd00dd00dd00dd00dd00dd00dd00dd002';

  const token = (name: string, grants: readonly ('read' | 'content')[]) => ({
    name,
    tenant: null,
    vantage: 'agent' as const,
    grants,
    sha256: hashToken(`${name}-secret`),
  });
  const get = (url: string, who: string) =>
    app.inject({ url, headers: { host: 'localhost:7070', authorization: `Bearer ${who}-secret` } });
  const logged = () =>
    engine.store.query<{ actor: string; subject: string }>(
      "SELECT actor, subject, detail FROM access_log WHERE action = 'read_evidence' ORDER BY at",
    );

  beforeAll(async () => {
    engine = await startSeededEngine();
    app = testApi(engine.store, {
      access: createAccess({
        tokens: [token('reader', ['read']), token('auditor', ['read', 'content'])],
        requireTokens: true,
        allowedHosts: [],
      }),
    });
  });
  afterAll(async () => {
    await app?.close();
    await engine?.close();
  });

  test('without the grant no page and no route gives what was said, and nothing is logged', async () => {
    const answer = (await get(`/api/v1/violations/${FLOW_VIOLATION}`, 'reader')).json();
    expect(answer.evidence.inputs).toMatchObject({
      'e.tool.name': 'fetch_page',
      'e.egress.host': 'paste.example.net',
      'e.args.path': { withheld: 'content' },
      matched: { value: { withheld: 'content', chars: 12 } },
    });
    expect(answer.evidence_withheld).toBe(3);
    expect(answer.evidence.path).toHaveLength(3);
    const broken = (await get(`/api/v1/violations/${BROKEN}`, 'reader')).json();
    expect(broken).toMatchObject({ evidence: { evidence: { withheld: 'content', chars: 8 } }, evidence_withheld: 1 });
    for (const path of [
      `/violations/${FLOW_VIOLATION}`,
      `/violations/${BROKEN}`,
      `/runs/${RICH_RUN}?view=violations`,
      `/runs/${RICH_RUN}?step=step-0000000000000011`,
    ]) {
      const { statusCode, payload } = await get(path, 'reader');
      expect([path, statusCode]).toEqual([path, 200]);
      for (const said of ['quarterly-', 'sk-…', 'not json']) expect(payload, path).not.toContain(said);
    }
    const page = (await get(`/violations/${FLOW_VIOLATION}`, 'reader')).payload;
    expect(page).toContain('3 texts withheld');
    expect(page).toContain('withheld, 12 characters');
    expect(page).toContain('paste.example.net');
    expect(await logged()).toEqual([]);
  });

  test('with the grant it is whole, and each reading is logged with who, which and where', async () => {
    const answer = (await get(`/api/v1/violations/${FLOW_VIOLATION}`, 'auditor')).json();
    expect(answer.evidence.inputs.matched.value).toBe('sk-…redacted');
    expect(answer.evidence_withheld).toBe(0);
    expect((await get(`/violations/${FLOW_VIOLATION}`, 'auditor')).payload).toContain('quarterly-');
    expect((await get(`/runs/${RICH_RUN}?view=violations`, 'auditor')).payload).toContain('quarterly-');
    expect((await logged()).map(({ actor, subject }) => [actor, subject])).toEqual([
      ['auditor', `violation:${FLOW_VIOLATION}`],
      ['auditor', `violation:${FLOW_VIOLATION}`],
      ['auditor', `run:${RICH_RUN}`],
    ]);
  });

  test('what cannot be logged is not given', async () => {
    const deaf = testApi(
      {
        ...engine.store,
        insert: async () => {
          throw new Error('the store is full');
        },
      },
      {},
    );
    const answer = await deaf.inject({
      url: `/violations/${FLOW_VIOLATION}`,
      headers: { host: 'localhost:7070' },
    });
    expect(answer.statusCode).toBe(500);
    expect(answer.payload).not.toContain('quarterly-');
    await deaf.close();
  });
});
