import type { StepKind } from '../../../schemas/step-kinds.ts';

/** `gen_ai.operation.name` → what the step is (semconv, GenAI spans; then custom values as SDKs send them). */
export const KIND_OF_OPERATION: ReadonlyMap<string, StepKind> = new Map([
  ['chat', 'llm'],
  ['generate_content', 'llm'],
  ['text_completion', 'llm'],
  ['completion', 'llm'],
  ['chat.completions', 'llm'], // Semantic Kernel
  ['chat.streaming_completions', 'llm'],
  ['text.completions', 'llm'],
  ['text.streaming_completions', 'llm'],
  ['embeddings', 'embedding'],
  ['embedding', 'embedding'],
  ['retrieval', 'retrieval'],
  ['rerank', 'retrieval'],
  ['create_agent', 'agent'],
  ['invoke_agent', 'agent'],
  ['plan', 'agent'],
  ['start_thread_run', 'agent'], // Azure AI agents: the calls of a run are told by their sum
  ['process_thread_run', 'agent'],
  ['invoke_workflow', 'workflow'],
  ['invoke_graph', 'workflow'],
  ['execute_node', 'workflow'],
  ['execute_task', 'workflow'], // CrewAI, as the next one
  ['execute_method', 'workflow'],
  ['agent_step', 'workflow'],
  ['execute_event_loop_cycle', 'workflow'],
  ['execute_agent_loop_cycle', 'workflow'],
  ['execute_tool', 'tool'],
  ['handoff', 'delegation'],
  ['evaluate', 'eval'],
  ['guardrail', 'guardrail'],
]);

/** Operations that are themselves a call to a model. */
export const isModelOperation = (kind: StepKind): boolean => kind === 'llm' || kind === 'embedding';

/**
 * Tools that hand the conversation to another agent, by the names the SDKs give them: ADK and LangGraph
 * `transfer_to_…`, OpenAI Agents `handoff to X` / `handoff_to_x`, others `delegate_to_…`.
 */
const HAND_OFF_TOOL = /^(?:transfer|hand[-_ ]?off|delegate)[-_ ]to[-_ ]/i;
const HAND_OFF_NAMES = new Set(['transfer_to_agent', 'handoff', 'hand_off', 'delegate']);

/** A tool step's kind: `delegation` when its name says that it hands over. */
export const kindOfTool = (toolName: string | undefined): StepKind =>
  toolName !== undefined && (HAND_OFF_TOOL.test(toolName) || HAND_OFF_NAMES.has(toolName.toLowerCase()))
    ? 'delegation'
    : 'tool';
