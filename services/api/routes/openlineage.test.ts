import { describe, expect, test } from 'vitest';
import { decodeActionEvent } from '../../../schemas/action-event-codec.ts';
import { TOPICS } from '../../../schemas/topics.ts';
import { testApi } from '../../../test/support/api.ts';
import { createPipelineLog } from '../../../test/support/pipeline.ts';
import { runBatches } from '../../lineage/run-fixture.ts';
import { normalizeAction } from '../../normalizer/action-step.ts';
import { createRedactor } from '../../normalizer/redact.ts';
import type { EventLog, OutgoingRecord, Store } from '../../runtime/ports.ts';

const RUN = '0199a0b1-1111-7000-8000-00000000abcd';
const event = (more: object = {}) => ({
  eventType: 'COMPLETE',
  eventTime: '2026-11-20T10:00:00.000Z',
  producer: 'https://airflow.example/1',
  schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json',
  run: { runId: RUN, facets: { anything: { _producer: 'x:y', _schemaURL: 'x:y' } } },
  job: { namespace: 'airflow', name: 'nightly.load' },
  inputs: [{ namespace: 'postgres://db:5432', name: 'shop.public.orders', facets: {} }],
  outputs: [{ namespace: 'snowflake://acct', name: 'DW.PUBLIC.ORDERS' }],
  ...more,
});

/** The route writes to the log and reads nothing. */
const noStore = {} as Store;
const posted = async (body: unknown) => {
  const log = await createPipelineLog();
  const written: OutgoingRecord[] = [];
  const append: EventLog['append'] = (records) => {
    written.push(...records);
    return log.append(records);
  };
  const app = testApi(noStore, { log: { ...log, append } });
  const answer = await app.inject({
    method: 'POST',
    url: '/api/v1/lineage',
    headers: { host: 'localhost:7070', 'content-type': 'application/json' },
    payload: JSON.stringify(body),
  });
  await app.close();
  const events = written.flatMap(({ topic, value }) => {
    const decoded = decodeActionEvent(value);
    return topic === TOPICS.actions && decoded.kind === 'ok' ? [decoded.value] : [];
  });
  return { status: answer.statusCode, body: answer.json(), events };
};

describe('POST lineage', () => {
  test('a run event goes through the log and becomes edges: the job reads, writes, and what it wrote derives', async () => {
    const { status, body, events } = await posted(event());
    expect([status, body.accepted, body.records]).toEqual([202, 1, 3]);
    const steps = events.map((one, offset) => {
      const origin = {
        tenant: one.tenant_id,
        vantage: one.vantage,
        logId: 'l',
        topic: TOPICS.actions,
        partition: 0,
        offset,
        loggedAtMs: 1_795_000_000_000,
        shiftNano: 0n,
        part: 0,
        batchId: 'b',
      };
      return normalizeAction(one, origin, { redactor: createRedactor(true), mode: 'full' }).step;
    });
    const { rows } = runBatches([steps], undefined, `default|${RUN.replaceAll('-', '')}`);
    expect(rows.map((row) => `${row.from_kind}:${row.from_id} ${row.edge} ${row.to_id}`).sort()).toEqual([
      'dataset:postgres://db:5432/shop.public.orders derives snowflake://acct/DW.PUBLIC.ORDERS',
      `run:${RUN.replaceAll('-', '')} invokes nightly.load`,
      'tool:nightly.load reads postgres://db:5432/shop.public.orders',
      'tool:nightly.load writes snowflake://acct/DW.PUBLIC.ORDERS',
    ]);
  });

  test('sent twice it is the same records; events without a run are counted as such', async () => {
    const { body, events } = await posted([event(), event(), { dataset: { namespace: 'a', name: 'b' } }]);
    expect([body.accepted, body.ignored, body.records]).toEqual([2, 1, 6]);
    expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(3);
  });

  test.each([
    ['a run id that is none', event({ run: { runId: 'x' } })],
    ['a time that is none', event({ eventTime: 'yesterday' })],
    ['no job', event({ job: undefined })],
    ['a data set without a name', event({ inputs: [{ namespace: 'a', name: '' }] })],
    [
      'more data sets than a request may have',
      Array(100).fill(event({ inputs: Array(400).fill({ namespace: 'a', name: 'b' }) })),
    ],
  ])('%s is refused with its place, and nothing is written', async (_what, body) => {
    const answer = await posted(body);
    expect([answer.status, answer.events.length]).toEqual([400, 0]);
  });
});
