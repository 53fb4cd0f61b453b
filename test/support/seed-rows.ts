import type { Row, Store } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import { BATCH, entryRow, runRow, type SeedCall, SHARED_RUN, spanRow } from './seed-builders.ts';

/** Rows as the services write them, for tests that read: two tenants, a month of runs, one rich run. */

const HOUR_MS = 3_600_000;
const MODELS = [
  { model: 'claude-sonnet-4-5', provider: 'anthropic', in: 3, out: 15 },
  { model: 'gpt-5.1', provider: 'openai', in: 1.25, out: 10 },
  { model: 'gemini-2.5-pro', provider: 'google', in: 1.25, out: 10 },
  { model: 'claude-haiku-4-5', provider: 'anthropic', in: 1, out: 5 },
  { model: 'gpt-5-mini', provider: 'openai', in: 0.25, out: 2 },
  { model: 'mistral-large-2512', provider: 'mistral', in: 0.5, out: 1.5 },
] as const;

const AGENTS = [
  {
    agent: 'research-agent',
    service: 'research-api',
    family: 'openinference',
    name: 'research: compare vector stores',
    tool: 'web_search',
  },
  { agent: 'claude-code', service: 'claude-code', family: 'claude-code', name: 'claude-code session', tool: 'Bash' },
  { agent: 'support-triage', service: 'support', family: 'otel-genai', name: 'triage ticket', tool: 'lookup_customer' },
  { agent: 'planner', service: 'trip-planner', family: 'openllmetry', name: 'plan trip', tool: 'search_flights' },
] as const;

/** Park and Miller: the same rows at every run. */
const sequence = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
};

const pick = <T>(list: readonly T[], random: () => number): T => {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new Error('an empty list');
  return found;
};

const callOf = (random: () => number): SeedCall => {
  const chance = random();
  if (chance < 0.02)
    return {
      model: 'gpt-5.1',
      provider: 'openai',
      input: null,
      cached: null,
      output: null,
      reasoning: null,
      cost: null,
      why: 'no_usage',
    };
  if (chance < 0.035)
    return {
      model: 'acme-7b-local',
      provider: null,
      input: 900,
      cached: null,
      output: 120,
      reasoning: null,
      cost: null,
      why: 'no_price',
    };
  if (chance < 0.045)
    return {
      model: 'claude-sonnet-4-5',
      provider: 'anthropic',
      input: null,
      cached: null,
      output: null,
      reasoning: null,
      cost: null,
      why: 'failed',
    };
  const model = pick(MODELS, random);
  const input = Math.floor(400 + random() * 24_000);
  const cached = random() < 0.8 ? Math.floor(random() * 60_000) : null;
  const output = Math.floor(40 + random() * 1800);
  const cost = ((input * model.in + (cached ?? 0) * model.in * 0.1 + output * model.out) / 1e6).toFixed(9);
  return {
    model: model.model,
    provider: model.provider,
    input,
    cached,
    output,
    reasoning: random() < 0.4 ? Math.floor(random() * 900) : null,
    cost,
    why: null,
  };
};

export interface SeedRows {
  readonly spans: readonly Row[];
  readonly span_content: readonly Row[];
  readonly ledger_entries: readonly Row[];
  readonly runs: readonly Row[];
  readonly batches: readonly Row[];
  readonly dead_letters: readonly Row[];
}

const hex = (random: () => number, length: number): string =>
  Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join('');

const oneRun = (random: () => number, tenant: string, startMs: number, runId: string): SeedRows => {
  const who = pick(AGENTS, random);
  const calls = Array.from({ length: 1 + Math.floor(random() * 7) }, () => callOf(random));
  const session_id = `session-${Math.floor(random() * 12)}`;
  const shared = {
    tenant_id: tenant,
    run_id: runId,
    trace_id: runId,
    service: who.service,
    session_id,
    agent_name: who.agent,
  };
  const rootSpan = hex(random, 16);
  const spans: Row[] = [];
  const entries: Row[] = [];
  let atMs = startMs + 40;
  for (const call of calls) {
    const span_id = hex(random, 16);
    const tookMs = 600 + random() * 7000;
    spans.push(
      spanRow({
        ...shared,
        at_ms: atMs,
        step_id: `${runId}-${span_id}`,
        span_id,
        parent_span_id: rootSpan,
        duration_ns: Math.floor(tookMs * 1e6),
        step_kind: 'llm',
        name: `chat ${call.model}`,
        family: who.family,
        provider: call.provider,
        request_model: call.model,
        response_model: call.model,
        call_role: 'leaf',
        reported_input_tokens: call.input,
        reported_output_tokens: call.output,
        status: call.why === 'failed' ? 'error' : 'ok',
        error_type: call.why === 'failed' ? 'overloaded_error' : null,
      }),
    );
    entries.push(
      entryRow(atMs, call, {
        ...shared,
        entry_id: `e-${span_id}`,
        call_id: `c-${span_id}`,
        span_id,
        environment: 'production',
        user_id: 'ada@example.com',
      }),
    );
    atMs += tookMs;
    const toolSpan = hex(random, 16);
    spans.push(
      spanRow({
        ...shared,
        at_ms: atMs,
        step_id: `${runId}-${toolSpan}`,
        span_id: toolSpan,
        parent_span_id: rootSpan,
        duration_ns: Math.floor(random() * 9e8),
        step_kind: 'tool',
        name: `execute_tool ${who.tool}`,
        tool_name: who.tool,
        status: 'ok',
      }),
    );
    atMs += 900;
  }
  spans.unshift(
    spanRow({
      ...shared,
      at_ms: startMs,
      step_id: `${runId}-root`,
      span_id: rootSpan,
      duration_ns: Math.floor((atMs - startMs) * 1e6),
      step_kind: 'agent',
      name: `invoke_agent ${who.agent}`,
    }),
  );
  const runs = [
    runRow(startMs, atMs, calls, {
      tenant_id: tenant,
      run_id: runId,
      name: who.name,
      root_agent: who.agent,
      agents: [who.agent],
      tools: [who.tool],
      service: who.service,
      session_id,
      user_id: 'ada@example.com',
    }),
  ];
  return { spans, span_content: [], ledger_entries: entries, runs, batches: [], dead_letters: [] };
};

/** Everything, relative to `nowMs`: `count` runs over thirty days, denser towards now. */
export const seedRows = (nowMs: number, count = 120): SeedRows & Readonly<Record<string, readonly Row[]>> => {
  const random = sequence(20_261_121);
  const parts: SeedRows[] = [];
  for (let index = 0; index < count; index += 1) {
    const ageHours = index < count * 0.7 ? random() * 24 : random() * 720;
    parts.push(oneRun(random, index % 6 === 0 ? 'acme' : 'demo', nowMs - ageHours * HOUR_MS - 90_000, hex(random, 32)));
  }
  parts.push(
    oneRun(random, 'acme', nowMs - 2 * HOUR_MS, SHARED_RUN),
    oneRun(random, 'demo', nowMs - 2 * HOUR_MS, SHARED_RUN),
  );
  const all = <K extends keyof SeedRows>(key: K): Row[] => parts.flatMap((part) => [...part[key]]);
  return {
    spans: all('spans'),
    span_content: all('span_content'),
    ledger_entries: all('ledger_entries'),
    runs: all('runs'),
    batches: manifestRows(nowMs),
    dead_letters: [
      {
        tenant_id: 'demo',
        topic: 'otlp_spans',
        log_id: 'seed-log',
        log_topic: 'otlp_spans',
        log_partition: 1,
        log_offset: 77,
        log_index: 0,
        reason: 'malformed_protobuf',
        detail: 'field 3 ends 12 bytes early',
        bytes: 4096,
        logged_at: utcMillis(nowMs - HOUR_MS),
        ...BATCH,
      },
    ],
  };
};

const manifestRows = (nowMs: number): Row[] =>
  [0, 1, 2].flatMap((index) => [
    {
      service: 'normalizer',
      log_id: 'seed-log',
      topic: 'otlp_spans',
      partition: 0,
      first: index * 100,
      end: index * 100 + 100,
      records: 100,
      rows: { spans: 100 },
      steps: 100,
      dead_letters: 0,
      duplicates: 0,
      filtered: 0,
      empty: 0,
      produced: { 'agent_steps/0': index * 90 + 90, 'agent_steps/1': index * 10 + 10 },
      hours: [],
      logged_at: utcMillis(nowMs - 60_000 + index * 1000),
      ...BATCH,
    },
    {
      service: 'ledger',
      log_id: 'seed-log',
      topic: 'agent_steps',
      partition: 0,
      first: index * 60,
      end: index * 60 + 60,
      records: 60,
      rows: {},
      steps: 60,
      dead_letters: 0,
      duplicates: 0,
      filtered: 0,
      empty: 0,
      produced: {},
      hours: [],
      logged_at: utcMillis(nowMs - 50_000 + index * 1000),
      ...BATCH,
    },
  ]);

/** Inserts rows table by table. */
export const insertRows = async (
  store: Store,
  rows: Readonly<Record<string, readonly Row[]>>,
  token: string,
): Promise<void> => {
  for (const [table, list] of Object.entries(rows)) await store.insert(table, list, { token: `${token}/${table}` });
};
