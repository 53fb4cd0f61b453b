import type { Row } from '../../services/runtime/ports.ts';
import { utcMillis } from '../../services/runtime/stream/time.ts';
import { entryRow, HOSTILE, RICH_RUN, runRow, spanRow } from './seed-builders.ts';

const SHARED = {
  tenant_id: 'demo',
  run_id: RICH_RUN,
  trace_id: RICH_RUN,
  session_id: 'session-rich',
  user_id: 'grace@example.com',
} as const;

const id = (index: number): string => index.toString(16).padStart(16, '0');

interface Line {
  readonly parent: number;
  readonly kind: string;
  readonly name: string;
  readonly at: number;
  readonly took: number;
  readonly more?: Row;
}

const LINES: readonly Line[] = [
  { parent: 0, kind: 'other', name: 'POST /v1/research', at: 0, took: 41_000, more: { span_kind: 'server' } },
  {
    parent: 1,
    kind: 'agent',
    name: 'invoke_agent research-agent',
    at: 30,
    took: 40_800,
    more: { agent_name: 'research-agent' },
  },
  {
    parent: 2,
    kind: 'llm',
    name: 'chat claude-sonnet-4-5',
    at: 60,
    took: 5200,
    more: {
      request_model: 'claude-sonnet-4-5',
      response_model: 'claude-sonnet-4-5-20250929',
      provider: 'anthropic',
      call_role: 'leaf',
      reported_input_tokens: 8200,
      reported_output_tokens: 640,
    },
  },
  { parent: 3, kind: 'other', name: 'POST', at: 80, took: 5100, more: { span_kind: 'client' } },
  { parent: 4, kind: 'other', name: 'tls.connect', at: 82, took: 120 },
  {
    parent: 2,
    kind: 'tool',
    name: 'execute_tool web_search',
    at: 5400,
    took: 2300,
    more: { tool_name: 'web_search', status: 'ok' },
  },
  {
    parent: 2,
    kind: 'tool',
    name: 'execute_tool fetch_page',
    at: 7900,
    took: 10_000,
    more: {
      tool_name: 'fetch_page',
      status: 'error',
      error_type: 'TimeoutError',
      error_message: `read timed out after 10 s ${HOSTILE}`,
    },
  },
  { parent: 2, kind: 'other', name: 'redis GET', at: 18_000, took: 2 },
  { parent: 2, kind: 'other', name: 'redis SET', at: 18_010, took: 3 },
  { parent: 2, kind: 'delegation', name: 'hand off to critic', at: 18_100, took: 12_000 },
  { parent: 10, kind: 'agent', name: 'invoke_agent critic', at: 18_120, took: 11_900, more: { agent_name: 'critic' } },
  {
    parent: 11,
    kind: 'llm',
    name: 'chat gpt-5.1',
    at: 18_200,
    took: 6800,
    more: { request_model: 'gpt-5.1', response_model: 'gpt-5.1', provider: 'openai', call_role: 'leaf' },
  },
  { parent: 11, kind: 'retrieval', name: 'retrieve qdrant', at: 25_200, took: 340 },
  {
    parent: 11,
    kind: 'llm',
    name: 'chat acme-7b-local',
    at: 25_700,
    took: 4100,
    more: {
      request_model: 'acme-7b-local',
      response_model: 'acme-7b-local',
      call_role: 'leaf',
      reported_input_tokens: 900,
      reported_output_tokens: 210,
    },
  },
  { parent: 2, kind: 'guardrail', name: 'pii check', at: 30_300, took: 180, more: { status: 'ok' } },
  {
    parent: 2,
    kind: 'llm',
    name: 'chat claude-sonnet-4-5',
    at: 30_600,
    took: 9900,
    more: {
      request_model: 'claude-sonnet-4-5',
      response_model: 'claude-sonnet-4-5-20250929',
      provider: 'anthropic',
      call_role: 'leaf',
      reported_input_tokens: 12_400,
      reported_output_tokens: 1830,
    },
  },
  { parent: 2, kind: 'data_access', name: 'write report', at: 40_600, took: 90 },
];

const stepId = (index: number): string => `step-${id(index)}`;

const PARTS: readonly (readonly [number, string, string, string])[] = [
  [3, 'input', 'system', 'You are a careful research agent. Cite what you use.'],
  [3, 'input', 'user', 'Compare vector stores for 40 million embeddings and write a one-page report.'],
  [3, 'output', 'assistant', 'I will search for recent benchmarks first, then read the primary sources.'],
  [6, 'input', 'tool', '{"query":"vector database benchmark 2026 recall latency","limit":5}'],
  [6, 'output', 'tool', '[{"title":"ANN-Benchmarks","url":"https://ann-benchmarks.com"},{"title":"VectorDBBench"}]'],
  [12, 'input', 'user', `Critique this draft: ${HOSTILE}`],
  [12, 'output', 'assistant', 'The latency figures mix p50 and p99; state which. The cost section lacks egress.'],
  [16, 'input', 'user', 'Compare vector stores for 40 million embeddings and write a one-page report.'],
  [16, 'output', 'assistant', 'Report: for 40 M embeddings of 1,024 dimensions, three designs are sensible …'],
];

/** The rich run's rows, beginning two minutes before `nowMs`. */
export const richRunRows = (nowMs: number): Readonly<Record<string, readonly Row[]>> => {
  const start = nowMs - 120_000;
  const spans = LINES.map((line, index) =>
    spanRow({
      ...SHARED,
      at_ms: start + line.at,
      step_id: stepId(index + 1),
      span_id: id(index + 1),
      parent_span_id: line.parent === 0 ? '' : id(line.parent),
      duration_ns: line.took * 1e6,
      step_kind: line.kind,
      name: line.name,
      attributes: { 'gen_ai.operation.name': 'chat', 'http.request.method': 'POST', note: HOSTILE },
      environment: 'production',
      ...line.more,
    }),
  );
  const log = spanRow({
    ...SHARED,
    at_ms: start + 18_050,
    step_id: 'step-log-1',
    span_id: id(2),
    name: 'retrying with cached page',
    signal: 'log',
    event_name: 'agent.retry',
    severity: 'WARN',
  });
  const loose = spanRow({
    ...SHARED,
    at_ms: start + 41_100,
    step_id: 'step-log-2',
    span_id: '',
    name: 'session ended',
    signal: 'log',
    event_name: 'session.end',
  });
  const calls = [
    {
      model: 'claude-sonnet-4-5',
      provider: 'anthropic',
      input: 2200,
      cached: 6000,
      output: 640,
      reasoning: null,
      cost: '0.018',
      why: null,
    },
    {
      model: 'gpt-5.1',
      provider: 'openai',
      input: null,
      cached: null,
      output: null,
      reasoning: null,
      cost: null,
      why: 'no_usage',
    },
    {
      model: 'acme-7b-local',
      provider: null,
      input: 900,
      cached: null,
      output: 210,
      reasoning: null,
      cost: null,
      why: 'no_price',
    },
    {
      model: 'claude-sonnet-4-5',
      provider: 'anthropic',
      input: 12_400,
      cached: null,
      output: 1500,
      reasoning: 330,
      cost: '0.06465',
      why: null,
    },
  ] as const;
  const at = [3, 12, 14, 16];
  const booked = calls.map((call, index) => {
    const line = at[index] ?? 0;
    return entryRow(start + (LINES[line - 1]?.at ?? 0), call, {
      ...SHARED,
      entry_id: `rich-${line}`,
      call_id: `call-${line}`,
      span_id: id(line),
      service: 'research-api',
      agent_name: line === 3 || line === 16 ? 'research-agent' : 'critic',
    });
  });
  const [first] = calls;
  // The first call was booked dearer, then corrected: the pair must cancel.
  const wrong = entryRow(
    start + 60,
    { ...first, cost: '0.5' },
    {
      ...SHARED,
      entry_id: 'rich-3-wrong',
      call_id: 'call-3',
      span_id: id(3),
      service: 'research-api',
      agent_name: 'research-agent',
      booked_at: utcMillis(start + 500),
    },
  );
  const reversal = {
    ...wrong,
    entry_id: 'rich-3-reversal',
    calls: -1,
    input_tokens: -2200,
    cache_read_tokens: -6000,
    output_tokens: -640,
    cost_usd: '-0.5',
    reason: 'superseded',
    reverses_entry_id: 'rich-3-wrong',
    booked_at: utcMillis(start + 700),
  };
  const span_content = PARTS.map(([line, direction, role, content], index) => ({
    ...{ tenant_id: 'demo', run_id: RICH_RUN, trace_id: RICH_RUN },
    span_id: id(line),
    step_id: stepId(line),
    content_index: index,
    direction,
    role,
    part_kind: 'text',
    content,
    content_bytes: Buffer.byteLength(content),
    content_hash: `h-${content.length}-${content.slice(0, 12)}`,
    is_cut: false,
    pii_classes: index === 6 ? ['email'] : [],
    ts: utcMillis(start + (LINES[line - 1]?.at ?? 0)),
    batch_id: 'seed',
    logged_at: utcMillis(start),
  }));
  const { trace_id: _trace, ...ofRun } = SHARED;
  const run = runRow(start, start + 41_100, calls, {
    ...ofRun,
    name: 'research: vector stores for 40 M embeddings',
    root_agent: 'research-agent',
    agents: ['research-agent', 'critic'],
    tools: ['web_search', 'fetch_page'],
    steps: spans.length + 2,
    llm_steps: 4,
    tool_steps: 2,
    errors: 1,
  });
  return { spans: [...spans, log, loose], span_content, ledger_entries: [wrong, reversal, ...booked], runs: [run] };
};
