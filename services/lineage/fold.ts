import type { AgentStep } from '../../schemas/agent-step.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { Fold } from '../runtime/stream/fold-task.ts';
import { stepRun } from './run-step.ts';
import { emptyState, type LineageState, parseState, serialiseState } from './state.ts';
import type { ToolCatalogues } from './tool-catalogues.ts';

/**
 * Steps in, signed edges between agents, tools, models, data and users out. What is emitted is always desired − set, so
 * edges appear at once and a late parent moves them. `parse` throws InvariantError for text of another version. What tools
 * are said to touch is named in the intent of each batch, so a replay goes by what the batch began with; absent: nothing is.
 */
export const createLineageFold = (catalogues?: ToolCatalogues): Fold<AgentStep, LineageState> => ({
  service: 'lineage',
  tables: ['lineage_edges'],
  decode: (record) => decodeAgentStep(record.value),
  keyOf: (step) => `${step.tenant_id}|${step.run_id}`,
  empty: emptyState,
  parse: parseState,
  serialise: serialiseState,
  step: (state, steps, context) => ({
    ...stepRun(state, steps, { ...context, tools: catalogues?.get(context.variant) }),
    hours: [],
  }),
  ...(catalogues === undefined
    ? {}
    : { variant: { current: catalogues.current, ready: catalogues.ready, find: catalogues.find } }),
});
