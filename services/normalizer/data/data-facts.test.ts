import { describe, expect, test } from 'vitest';
import { type StepTouch, touchesIn, touchFacts } from '../../../schemas/step-touch.ts';
import { createRedactor } from '../redact.ts';
import type { SpanView } from '../span-view.ts';
import { viewOfSpan } from '../span-view.ts';
import type { StepFacts } from '../step-facts.ts';
import { withDataFacts } from './data-facts.ts';

const redactor = createRedactor(true);
const CLIENT = 3;

const view = (attributes: Readonly<Record<string, unknown>>, kind = CLIENT): SpanView =>
  viewOfSpan({
    item: {
      traceId: '',
      spanId: '',
      parentSpanId: '',
      name: 'x',
      kind,
      startNano: 0n,
      endNano: 0n,
      statusCode: 0,
      statusMessage: '',
      attributes: new Map(Object.entries(attributes)),
      events: [],
      links: [],
    },
    scope: { name: '', version: '' },
    resource: { attributes: new Map() },
  } as unknown as Parameters<typeof viewOfSpan>[0]);

const OTHER: StepFacts = { stepKind: 'other' };
const touchesOf = (attributes: Readonly<Record<string, unknown>>, facts = OTHER, kind = CLIENT): readonly StepTouch[] =>
  touchesIn(withDataFacts(view(attributes, kind), facts, redactor).facts ?? {}).touches;
const told = (touches: readonly StepTouch[]): readonly string[] =>
  touches.map(({ way, kind, namespace, name, flags }) => [way, kind, namespace ?? '-', name, ...flags].join(' '));

const PG = { 'db.system.name': 'postgresql', 'db.namespace': 'shop', 'server.address': 'DB.internal' };

describe('spans of databases', () => {
  test.each([
    [
      'stable names',
      { ...PG, 'db.query.text': 'SELECT * FROM Orders' },
      ['reads dataset postgres://db.internal:5432 shop.public.orders'],
    ],
    [
      'old names',
      {
        'db.system': 'postgresql',
        'db.name': 'shop',
        'net.peer.name': 'db',
        'net.peer.port': 6432,
        'db.statement': 'INSERT INTO "Orders" SELECT * FROM raw.x',
      },
      ['writes dataset postgres://db:6432 shop.public.Orders', 'reads dataset postgres://db:6432 shop.raw.x'],
    ],
    [
      'a namespace with its schema',
      { ...PG, 'db.namespace': 'shop|sales', 'db.query.text': 'DELETE FROM t' },
      ['writes dataset postgres://db.internal:5432 shop.sales.t'],
    ],
    [
      'mysql',
      { 'db.system.name': 'mysql', 'db.namespace': 'shop', 'server.address': 'm', 'db.query.text': 'UPDATE t SET a=1' },
      ['writes dataset mysql://m:3306 shop.t'],
    ],
    [
      'bigquery',
      {
        'db.system.name': 'gcp.bigquery',
        'db.namespace': 'proj',
        'server.address': 'bigquery.googleapis.com',
        'db.query.text': 'SELECT * FROM `d.t`',
      },
      ['reads dataset bigquery proj.d.t'],
    ],
    [
      'snowflake folds up',
      {
        'db.system.name': 'snowflake',
        'db.namespace': 'DB|PUB',
        'server.address': 'acct.snowflakecomputing.com',
        'db.query.text': 'SELECT * FROM t',
      },
      ['reads dataset snowflake://acct.snowflakecomputing.com DB.PUB.T'],
    ],
    [
      'a collection',
      {
        'db.system.name': 'mongodb',
        'db.namespace': 'crm',
        'db.collection.name': 'users',
        'db.operation.name': 'insertMany',
        'server.address': 'mo',
      },
      ['writes dataset mongodb://mo:27017 crm.users'],
    ],
    [
      'an operation and no more',
      { 'db.system.name': 'redis', 'db.operation.name': 'GET', 'server.address': 'r' },
      ['reads dataset redis://r:6379 redis'],
    ],
    [
      'a statement nobody parses',
      { ...PG, 'db.query.text': 'FOO BAR' },
      ['reads dataset postgres://db.internal:5432 shop sql_unparsed'],
    ],
    ['a statement that touches no table', { ...PG, 'db.query.text': 'SELECT 1' }, []],
    [
      'several tables by name',
      { 'db.system.name': 'aws.dynamodb', 'aws.dynamodb.table_names': ['a', 'b'], 'db.operation.name': 'BatchGetItem' },
      ['reads dataset dynamodb a', 'reads dataset dynamodb b'],
    ],
  ])('%s', (_what, attributes, touches) => {
    expect(told(touchesOf(attributes))).toEqual(touches);
  });
});

describe('requests, queues and objects', () => {
  test.each([
    [
      'a request that asks',
      { 'http.request.method': 'GET', 'url.full': 'https://Docs.example.com/a?b' },
      CLIENT,
      ['reads host - docs.example.com'],
    ],
    [
      'a request that sends',
      { 'http.method': 'POST', 'http.url': 'http://x.example:8080/a' },
      CLIENT,
      ['writes host - x.example'],
    ],
    ['the side that answers', { 'http.request.method': 'POST', 'server.address': 'me' }, 2, []],
    [
      'a topic',
      {
        'messaging.system': 'kafka',
        'messaging.destination.name': 'orders',
        'messaging.operation.type': 'send',
        'server.address': 'k',
      },
      4,
      ['writes dataset kafka://k:9092 orders'],
    ],
    [
      'a queue, by the kind of its span',
      { 'messaging.system': 'rabbitmq', 'messaging.destination.name': 'q' },
      5,
      ['reads dataset rabbitmq q'],
    ],
    [
      'an object',
      { 'aws.s3.bucket': 'b', 'aws.s3.key': 'k/1', 'rpc.method': 'PutObject' },
      CLIENT,
      ['writes dataset s3://b k/1'],
    ],
  ])('%s', (_what, attributes, kind, touches) => {
    expect(told(touchesOf(attributes, OTHER, kind))).toEqual(touches);
  });
});

describe('arguments of tools', () => {
  const tool = (toolName: string, toolArguments: StepFacts['toolArguments']): StepFacts => ({
    stepKind: 'tool',
    toolName,
    toolArguments,
  });
  test.each([
    ['Read', { file_path: '/a/b.ts' }, ['reads file - /a/b.ts']],
    [
      'Edit',
      { file_path: '/a/b.ts', old_string: 'x', new_string: 'y' },
      ['reads file - /a/b.ts', 'writes file - /a/b.ts'],
    ],
    ['mcp__files__read_multiple_files', { paths: ['a', 'b'] }, ['reads file - a', 'reads file - b']],
    ['str_replace_based_edit_tool', { command: 'create', path: 'n.md', file_text: 'z' }, ['writes file - n.md']],
    [
      'apply_patch',
      '*** Begin Patch\n*** Update File: a.ts\n@@\n*** Add File: b.ts\n+x',
      ['reads file - a.ts', 'writes file - a.ts', 'writes file - b.ts'],
    ],
    ['WebFetch', { url: 'https://Example.com/x', prompt: 'p' }, ['reads host - example.com']],
    [
      'run_sql',
      { sql: 'INSERT INTO a SELECT * FROM s.b' },
      ['writes dataset - a from_arguments', 'reads dataset - s.b from_arguments'],
    ],
    ['search', { query: 'delete my account please' }, []],
    ['search', { query: 'select a gift from the shop (for her' }, []],
    ['lookup_order', { order_id: 7 }, []],
  ])('%s', (name, args, touches) => {
    expect(told(touchesOf({}, tool(name, args)))).toEqual(touches);
  });
});

test('a value that one tool gives and another takes leaves the same print; masked secrets leave none', () => {
  const run = (facts: Partial<StepFacts>) =>
    withDataFacts(view({}), { stepKind: 'tool', ...facts }, redactor).facts ?? {};
  const gave = run({ toolResult: { rows: [{ mail: 'bob.builder@example.com' }, { note: 'short' }] } })['prints.out'];
  const took = run({ toolArguments: { body: 'Dear,\nbob.builder@example.com\nbye' } })['prints.in']?.split(',');
  expect(gave?.split(',')).toHaveLength(1);
  expect(took).toContain(gave);
  expect(run({ toolResult: '4111 1111 1111 1111' })['prints.out']).toBeUndefined();
});

test('a span that tells of no data passes through as it is', () => {
  expect(withDataFacts(view({ 'gen_ai.operation.name': 'chat' }), OTHER, redactor)).toBe(OTHER);
});

test('a touch fits its fact whatever its length, and what is beyond the number kept is told as more', () => {
  const long: StepTouch = {
    way: 'reads',
    kind: 'dataset',
    namespace: '😀'.repeat(900),
    name: '"'.repeat(5_000),
    statement: 0,
    flags: [],
    operation: null,
    columns: Array(400).fill('c'),
  };
  const facts = touchFacts(Array(70).fill(long));
  for (const text of Object.values(facts)) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1_024);
  expect([touchesIn(facts).touches.length, touchesIn(facts).isCut]).toEqual([64, true]);
  expect(touchesIn({ 'touch.0': '{"a":' })).toEqual({ touches: [], isCut: true });
});
