import type { CallSums } from './call-sums.ts';
import type { Evidence } from './evidence.ts';
import type { RunGraph } from './run-graph.ts';
import type { RunWideField } from './run-wide.ts';
import { utcMicrosText } from './utc-time.ts';

/** Distinct names a run's row lists of one kind; the row is for people. */
const NAMES_MAX = 200;
const LINKS_MAX = 100;

/** What is added up over steps; of steps beyond the limit it is all that is kept. */
export interface Tally {
  readonly first: number | null;
  readonly last: number | null;
  readonly steps: number;
  readonly llm: number;
  readonly tool: number;
  readonly errors: number;
  readonly agents: readonly string[];
  readonly models: readonly string[];
  readonly tools: readonly string[];
  readonly families: readonly string[];
}

export const EMPTY_TALLY: Tally = {
  first: null,
  last: null,
  steps: 0,
  llm: 0,
  tool: 0,
  errors: 0,
  agents: [],
  models: [],
  tools: [],
  families: [],
};

/** Adds steps to a tally. Commutative up to NAMES_MAX. */
export const addToTally = (tally: Tally, steps: Iterable<Evidence>): Tally => {
  let { first, last, steps: count, llm, tool, errors } = tally;
  const agents = new Set(tally.agents);
  const models = new Set(tally.models);
  const tools = new Set(tally.tools);
  const families = new Set(tally.families);
  for (const step of steps) {
    first = Math.min(first ?? step.start_unix_micros, step.start_unix_micros);
    last = Math.max(last ?? step.end_unix_micros, step.end_unix_micros);
    count += 1;
    if (step.step_kind === 'llm' || step.step_kind === 'embedding') llm += 1;
    if (step.step_kind === 'tool') tool += 1;
    if (step.status === 'error' || step.call?.outcome === 'failed') errors += 1;
    addName(agents, step.agent_name);
    if (step.call?.role === 'leaf') addName(models, step.response_model ?? step.request_model);
    addName(tools, step.tool_name);
    addName(families, step.family);
  }
  return {
    first,
    last,
    steps: count,
    llm,
    tool,
    errors,
    agents: sorted(agents),
    models: sorted(models),
    tools: sorted(tools),
    families: sorted(families),
  };
};

const addName = (names: Set<string>, name: string | null): void => {
  if (name !== null && name !== '') names.add(name);
};
const sorted = (names: ReadonlySet<string>): readonly string[] => [...names].sort().slice(0, NAMES_MAX);

/** The columns of `runs` that come from the steps and bookings of the run. */
export const runFacts = (graph: RunGraph, tally: Tally, sums: CallSums): Readonly<Record<string, unknown>> => {
  const byTime = [...graph.steps].sort(
    (a, b) => a.start_unix_micros - b.start_unix_micros || (a.step_id < b.step_id ? -1 : 1),
  );
  const root = rootOf(graph, byTime);
  // The root's word first, else the earliest step's that says anything.
  const told = (field: RunWideField | 'service'): string | null => {
    const inOrder = root === null ? byTime : [root, ...byTime];
    return inOrder.find((step) => step[field] !== null && step[field] !== '')?.[field] ?? null;
  };
  return {
    first_ts: utcMicrosText(tally.first ?? 0),
    last_ts: utcMicrosText(tally.last ?? 0),
    name: root?.name ?? '',
    root_agent: told('agent_name'),
    agents: tally.agents,
    models: tally.models,
    tools: tally.tools,
    families: tally.families,
    workflow: told('workflow'),
    user_id: told('user_id'),
    session_id: told('session_id'),
    service: told('service') ?? '',
    environment: told('environment'),
    steps: tally.steps,
    llm_steps: tally.llm,
    tool_steps: tally.tool,
    errors: tally.errors,
    ...sums,
    links: linksOf(graph),
  };
};

/** The span the run began with: one without a parent, else one whose parent has not come; the earliest. */
const rootOf = (graph: RunGraph, byTime: readonly Evidence[]): Evidence | null => {
  const spans = byTime.filter((step) => step.signal === 'span');
  return (
    spans.find((step) => step.parent_span_id === '') ??
    spans.find((step) => graph.parentOf(step) === null) ??
    byTime[0] ??
    null
  );
};

const linksOf = (graph: RunGraph): readonly { readonly trace_id: string; readonly span_id: string }[] => {
  const links = new Map<string, { readonly trace_id: string; readonly span_id: string }>();
  for (const step of graph.steps) {
    for (const { trace_id, span_id } of step.links) links.set(`${trace_id}|${span_id}`, { trace_id, span_id });
  }
  return [...links.keys()]
    .sort()
    .slice(0, LINKS_MAX)
    .flatMap((key) => links.get(key) ?? []);
};
