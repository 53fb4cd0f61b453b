import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { playLedger } from '../../services/ledger/fold-fixture.ts';
import { netBookings, TEST_PRICES } from '../../services/ledger/step-fixture.ts';
import {
  attributeList,
  freshOptions,
  normalize,
  recordOf,
  stepsOf,
  type Values,
} from '../../services/normalizer/batch-fixture.ts';
import { generic } from '../../services/normalizer/conventions/generic.ts';
import type { Convention } from '../../services/normalizer/step-facts.ts';
import type { Net } from './ledger-truth.ts';

/**
 * Emitters of which no recording is at hand, as their public source writes spans (README beside the files): what is
 * booked of them with every convention, and with the generic one alone. A data file and no code each.
 */
const FOLDER = new URL('../fixtures/unseen/', import.meta.url);

interface Spoken {
  readonly id: string;
  readonly parent?: string;
  readonly trace?: string;
  readonly scope?: string;
  readonly name: string;
  readonly kind?: number;
  /** Milliseconds: start, end. */
  readonly at: readonly [number, number];
  readonly attributes: Values;
  readonly status?: object;
  readonly events?: readonly { readonly name: string; readonly attributes?: Values }[];
}

interface Call {
  readonly model: string | null;
  readonly provider?: string | null;
  readonly calls?: number;
  readonly outcome?: 'failed';
  /** Disjoint: input, cache_read, cache_write, output, reasoning; null: not told. */
  readonly tokens: readonly (number | null)[];
}

interface Unseen {
  readonly source: readonly { readonly repo: string; readonly path: string; readonly commit?: string }[];
  readonly about: string;
  readonly scope: string;
  readonly resource?: Values;
  readonly spans: readonly Spoken[];
  readonly logs?: readonly Omit<Spoken, 'kind' | 'status' | 'events'>[];
  readonly truth: {
    readonly calls: readonly Call[];
    readonly tools?: readonly string[];
    readonly agents?: readonly string[];
    readonly sessions?: readonly string[];
  };
  /** What generic alone makes of the calls, and why that is short of the truth. */
  readonly generic_alone?: { readonly why: string; readonly calls: readonly Call[] };
}

const EMITTERS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => ({ name, ...(JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as Unseen) }));

const hex = (text: string, digits: number): string => Buffer.from(text).toString('hex').padStart(digits, '0');
const nanosAt = (ms: number): string => String(1_795_228_839_000_000_000n + BigInt(ms) * 1_000_000n);

const stepsWith = (emitter: Unseen, conventions?: readonly Convention[]): readonly AgentStep[] => {
  const options = { ...freshOptions(), ...(conventions && { conventions }) };
  const resource = { attributes: attributeList({ 'service.name': 'shop', ...emitter.resource }) };
  const ids = (one: Pick<Spoken, 'id' | 'trace' | 'parent'>) => ({
    traceId: hex(one.trace ?? 't1', 32),
    spanId: hex(one.id, 16),
    ...(one.parent === undefined ? {} : { parentSpanId: hex(one.parent, 16) }),
  });
  const scopeSpans = emitter.spans.map((one) => ({
    scope: { name: one.scope ?? emitter.scope },
    spans: [
      {
        ...ids(one),
        name: one.name,
        kind: one.kind ?? 1,
        startTimeUnixNano: nanosAt(one.at[0]),
        endTimeUnixNano: nanosAt(one.at[1]),
        attributes: attributeList(one.attributes),
        status: one.status,
        events: one.events?.map(({ name, attributes = {} }) => ({
          name,
          timeUnixNano: nanosAt(one.at[1]),
          attributes: attributeList(attributes),
        })),
      },
    ],
  }));
  const scopeLogs = (emitter.logs ?? []).map((one) => ({
    scope: { name: one.scope ?? emitter.scope },
    logRecords: [
      {
        ...(one.trace === '' ? {} : ids(one)),
        timeUnixNano: nanosAt(one.at[1]),
        eventName: one.name,
        attributes: attributeList(one.attributes),
      },
    ],
  }));
  const spans = Buffer.from(JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] }));
  const logs = Buffer.from(JSON.stringify({ resourceLogs: [{ resource, scopeLogs }] }));
  return [
    ...stepsOf(normalize([recordOf(spans)], 'spans', options)),
    ...(scopeLogs.length === 0 ? [] : stepsOf(normalize([recordOf(logs, 1)], 'logs', options))),
  ];
};

const bookingsOf = (steps: readonly AgentStep[]): readonly Net[] =>
  netBookings(playLedger(steps, TEST_PRICES).entries) as readonly unknown[] as readonly Net[];

type Told = Required<Omit<Call, 'outcome'>> & { readonly outcome: string };

const inOrder = (calls: readonly Told[]): readonly string[] => calls.map((call) => JSON.stringify(call)).sort();

const toldBy = (bookings: readonly Net[]): readonly Told[] =>
  bookings.map((one) => ({
    model: one.model,
    provider: one.provider,
    calls: one.calls,
    outcome: one.outcome,
    tokens: [one.input_tokens, one.cache_read_tokens, one.cache_write_tokens, one.output_tokens, one.reasoning_tokens],
  }));

const truthOf = (calls: readonly Call[]): readonly Told[] =>
  calls.map(({ model, provider = null, calls: count = 1, outcome = 'ok', tokens }) => ({
    model,
    provider,
    calls: count,
    outcome,
    tokens,
  }));

const sumOf = (calls: readonly Told[]) => ({
  calls: calls.reduce((sum, { calls: count }) => sum + count, 0),
  tokens: calls.reduce((sum, { tokens }) => sum + tokens.reduce<number>((all, one) => all + (one ?? 0), 0), 0),
});

const named = (steps: readonly AgentStep[], field: 'tool_name' | 'agent_name' | 'session_id', kinds?: string) =>
  [
    ...new Set(steps.flatMap((step) => (kinds !== undefined && step.step_kind !== kinds ? [] : (step[field] ?? [])))),
  ].sort();

describe.each(EMITTERS)('$name', (emitter) => {
  const steps = stepsWith(emitter);
  const alone = stepsWith(emitter, [generic]);

  test('says where it is read from', () => {
    expect(emitter.source.length).toBeGreaterThan(0);
    for (const { repo, path, commit } of emitter.source) {
      expect([repo, path]).not.toContain('');
      // Of what is not public there is a page.
      if (!repo.startsWith('https://')) expect(commit).toMatch(/^[0-9a-f]{40}$/);
    }
  });

  test('each call is booked once, as it was', () => {
    expect(inOrder(toldBy(bookingsOf(steps)))).toEqual(inOrder(truthOf(emitter.truth.calls)));
  });

  test('in any order of arrival', () => {
    expect(bookingsOf([...steps].reverse())).toEqual(bookingsOf(steps));
  });

  test('tools, agents and sessions have their names', () => {
    const { tools = [], agents = [], sessions = [] } = emitter.truth;
    expect({
      tools: named(steps, 'tool_name', 'tool'),
      agents: named(steps, 'agent_name', 'agent'),
      sessions: named(steps, 'session_id'),
    }).toEqual({ tools: [...tools].sort(), agents: [...agents].sort(), sessions: [...sessions].sort() });
  });

  test(`by the generic convention alone: ${emitter.generic_alone?.why ?? 'the same'}`, () => {
    const { calls } = emitter.generic_alone ?? emitter.truth;
    expect(inOrder(toldBy(bookingsOf(alone)))).toEqual(inOrder(truthOf(calls)));
  });

  test('by the generic convention alone never more than there is', () => {
    const [booked, truth] = [sumOf(toldBy(bookingsOf(alone))), sumOf(truthOf(emitter.truth.calls))];
    expect(booked.calls).toBeLessThanOrEqual(truth.calls);
    expect(booked.tokens).toBeLessThanOrEqual(truth.tokens);
  });
});
