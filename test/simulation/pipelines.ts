import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep, encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { LedgerEntry } from '../../schemas/ledger-entry.ts';
import { createLedgerFold } from '../../services/ledger/fold.ts';
import { playLedger } from '../../services/ledger/fold-fixture.ts';
import { llmOf, sumsBy, TEST_PRICES } from '../../services/ledger/step-fixture.ts';
import { createLineageFold } from '../../services/lineage/fold.ts';
import type { Row, Store } from '../../services/runtime/ports.ts';
import { createFoldTask, type Fold } from '../../services/runtime/stream/fold-task.ts';
import type { StreamTask } from '../../services/runtime/stream/types.ts';
import { judgeTallies } from './judge.ts';
import type { Deploy } from './process.ts';
import type { SimulatedStore } from './store.ts';
import { createSmallNormalizer, createTally, INPUT, recordValue, STEPS, TALLY } from './tasks.ts';
import { idOf, isPoison, type Traffic } from './traffic.ts';

/** What runs in a simulated world behind the small normalizer, and what its tables must say in the end. */
export interface Pipeline {
  readonly folds: readonly string[];
  readonly tasksOf: (store: Store, deploy: Deploy) => readonly StreamTask[];
  /** `run/step` of a step as it stands in its topic, or the text of what is none. */
  readonly stepText: (value: Uint8Array) => string;
  readonly judge: (store: SimulatedStore, traffic: Traffic) => readonly string[];
}

/** A fold so cheap that thousands of seeds take a minute. */
export const TALLYING: Pipeline = {
  folds: [TALLY],
  tasksOf: (store, { variant }) => [createSmallNormalizer(store), createTally(store, variant)],
  stepText: (value) => Buffer.from(value).toString(),
  judge: judgeTallies,
};

const MODELS = ['gpt-5', 'claude-haiku-4-5', 'unheard-of'];

/**
 * A call of a model by an agent; everything about it follows from its id. Of each odd number and the next, the first is
 * a framework's span in its place and the second what an SDK tells of the same call, in whichever run it came to lie.
 */
const stepOf = (run: string, id: string): AgentStep => {
  const number = Number(id.slice(1));
  const isLost = number > 0 && number % 2 === 0;
  const call = isLost ? number - 1 : number;
  return llmOf(id, 100 + call, call % 5 === 0 ? null : 10 * call, {
    ...{ run_id: run, trace_id: run, request_model: MODELS[call % MODELS.length] ?? null, user_id: 'ada' },
    ...(isLost ? { scope_name: 'sdk' } : { parent_span_id: 'above', agent_name: `agent${number % 4}` }),
    log_offset: number,
  });
};

const encodeStep = (run: string, id: string): Uint8Array => encodeAgentStep(stepOf(run, id));

const stepText = (value: Uint8Array): string => {
  const decoded = decodeAgentStep(value);
  if (decoded.kind === 'refused') return Buffer.from(value).toString();
  return Buffer.from(recordValue(decoded.value.run_id, decoded.value.step_id)).toString();
};

/** The rows of one table that a fold gives of all steps at once, as if nothing had ever gone wrong. */
const undisturbed = <State>(
  fold: Fold<AgentStep, State>,
  steps: readonly AgentStep[],
  table: string,
): readonly Row[] => {
  const byKey = Map.groupBy(steps, fold.keyOf);
  const context = { batchId: 'all', loggedAtMs: 1_795_000_002_000, version: 1n, variant: '' };
  return [...byKey].flatMap(([key, ofKey]) =>
    fold.step(fold.empty(key), ofKey, context).tables.flatMap((one) => (one.table === table ? one.rows : [])),
  );
};

const netEntries = (rows: readonly Row[]): string =>
  JSON.stringify([
    ...sumsBy(rows as readonly unknown[] as readonly LedgerEntry[], [
      'run_id',
      'agent_name',
      'model',
      'call_id',
      'outcome',
    ]),
  ]);

const netEdges = (rows: readonly Row[]): string => {
  const weights = new Map<string, number>();
  for (const row of rows) {
    const edge = [row['run_id'], row['from_kind'], row['from_id'], row['edge'], row['to_kind'], row['to_id']].join(' ');
    weights.set(edge, (weights.get(edge) ?? 0) + Number(row['weight']));
  }
  return JSON.stringify([...weights].filter(([, weight]) => weight !== 0).sort());
};

const ledger = createLedgerFold(TEST_PRICES);
const lineage = createLineageFold();

/** The ledger and the lineage as they are: what they book and draw is what one look at all steps gives. */
export const REAL: Pipeline = {
  folds: [ledger.service, lineage.service],
  tasksOf: (store) => [
    createSmallNormalizer(store, encodeStep),
    createFoldTask(ledger, [STEPS], { store }),
    createFoldTask(lineage, [STEPS], { store }),
  ],
  stepText,
  judge: (store, { taken }) => {
    const sent = new Map(
      taken
        .filter((one) => one.topic === INPUT && !isPoison(one))
        .map(({ text }) => [idOf(text), stepOf(text.slice(0, text.indexOf('/')), idOf(text))] as const),
    );
    const steps = [...sent.values()];
    const played = playLedger(steps, TEST_PRICES);
    const entries = netEntries(played.entries.map((entry) => ({ ...entry })));
    const edges = netEdges(undisturbed(lineage, steps, 'lineage_edges'));
    const [booked, drawn] = [netEntries(store.rows('ledger_entries')), netEdges(store.rows('lineage_edges'))];
    return [
      ...(booked === entries ? [] : [`ledger_entries: ${booked} instead of ${entries}`]),
      ...(drawn === edges ? [] : [`lineage_edges: ${drawn} instead of ${edges}`]),
    ];
  },
};
