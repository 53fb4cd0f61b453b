/**
 * Where the steps of a capture say something else than happened, each with what explains it in the payload. `+`: more
 * often than the program's own list of what happened, `-`: less often.
 */

const AGENT_AS_TOOL = 'an agent called as a tool or by hand-off; the list has only the tools of the shop';
const SUB_AGENT = 'ran as the tool of another; the list has only the agents that the program started itself';
const OWN_AGENT = 'the SDK makes an agent of each of its calls, of which the list has only those of the scenario';
const CLI_AGENT = 'the program is the agent; nobody listed it';
const FAILED_UNSEEN = 'a tool that throws leaves no span at all';
const UNNAMED_CLASS = 'the span has the class of the tool; its name stands only in an answer, which a failure has not';
const RETRIEVER = 'one search ran as a retriever, and is told as a retrieval';
const NOT_INSTRUMENTED = 'only calls to models are instrumented';
const GRAPH_NODE = 'a node of a graph, of the same kind as the nodes that carry others';
const GRAPH_WRAPPERS = 'agents are graphs among wrappers of the same kind and name';
const FLOWS = 'agents are flows, by the names the program gave these';
const NO_IDENTITY = 'the SDK does not export what the application set';

export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  codex: { 'agent codex +1': CLI_AGENT },
  'copilot-cli': { 'agent copilot-cli +1': CLI_AGENT, 'agent general-purpose +1': CLI_AGENT },
  genkit: {
    'agent refunds -2': FLOWS,
    'agent refundsFlow_google +1': FLOWS,
    'agent refundsFlow_openai +1': FLOWS,
    'agent triage -2': FLOWS,
    'agent triageFlow_google +1': FLOWS,
    'agent triageFlow_openai +1': FLOWS,
  },
  'google-adk': {
    'tool refunds +1': AGENT_AS_TOOL,
    'tool transfer_to_agent +1': AGENT_AS_TOOL,
    'agent bad +1': OWN_AGENT,
    'agent letter +1': OWN_AGENT,
    'agent refunds +2': SUB_AGENT,
    'no user': NO_IDENTITY,
  },
  langfuse: { 'tool failing failed +1': 'an observation that the application wrote around its failing call' },
  'langfuse-langchain': {
    'tool search_policy -1': 'one search ran as a retriever, which the handler makes a span of no kind',
    'agent reviewer -1': GRAPH_NODE,
    'agent writer -1': GRAPH_NODE,
  },
  langsmith: {
    'agent refunds -1': 'its run took over the kind of its first call',
    'agent triage -1': 'its run is a chain, as any function is',
  },
  lmnr: {
    'agent bad +1': OWN_AGENT,
    'agent faq-stream +1': OWN_AGENT,
    'agent refunds -1': 'one of two is an observed function, of no kind',
    'agent triage -1': 'one of two is an observed function, of no kind',
  },
  mastra: { 'tool agent-refunds +2': AGENT_AS_TOOL, 'agent bad +1': OWN_AGENT, 'agent refunds +2': SUB_AGENT },
  'mastra-bridge': { 'tool agent-refunds +2': AGENT_AS_TOOL, 'agent bad +1': OWN_AGENT, 'agent refunds +2': SUB_AGENT },
  'mcp-openinference': {
    'tool fail_tool failed -1': 'context is passed on, but no span is made',
    'tool get_weather -2': 'context is passed on, but no span is made',
    'tool no_such_tool failed -1': 'context is passed on, but no span is made',
  },
  'openai-agents-native': {
    'tool ask_refunds +1': AGENT_AS_TOOL,
    'tool unnamed +1': 'a hand-off, which names its agents and no tool',
    'agent broken +1': OWN_AGENT,
    'agent guardrail +1': SUB_AGENT,
    'agent refunds +2': SUB_AGENT,
    'agent triage +1': 'the run that the guardrail stopped is not in the list',
  },
  ...both(['openai-agents-openinference', 'openai-agents-openinference-chat'], {
    'tool ask_refunds +1': AGENT_AS_TOOL,
    'tool handoff_to_refunds +1': AGENT_AS_TOOL,
    'agent broken +1': OWN_AGENT,
    'agent guardrail +1': SUB_AGENT,
    'agent refunds +2': SUB_AGENT,
    'agent support case +1': 'the span of the whole trace is of the kind of an agent',
    'agent triage +1': 'the run that the guardrail stopped is not in the list',
    'no session': NO_IDENTITY,
    'no user': NO_IDENTITY,
  }),
  'openinference-langchain': {
    'tool search_policy -1': RETRIEVER,
    'agent reviewer -1': GRAPH_NODE,
    'agent writer -1': GRAPH_NODE,
  },
  openlit: {
    'tool ask_refunds -3': NOT_INSTRUMENTED,
    'tool check_fraud -3': NOT_INSTRUMENTED,
    'tool check_fraud failed -3': NOT_INSTRUMENTED,
    'tool get_payment -3': NOT_INSTRUMENTED,
    'tool issue_refund -3': NOT_INSTRUMENTED,
    'tool lookup_order -3': NOT_INSTRUMENTED,
    'tool search_policy -3': NOT_INSTRUMENTED,
    'agent refunds -3': NOT_INSTRUMENTED,
    'agent triage -3': NOT_INSTRUMENTED,
    'no session': NO_IDENTITY,
  },
  openllmetry: {
    'tool check_fraud failed -2': FAILED_UNSEEN,
    'tool search_policy -1': 'one search ran outside any span of a tool',
  },
  'openllmetry-langchain': {
    'tool check_fraud failed -2': UNNAMED_CLASS,
    'tool search_policy -1': 'one search ran as a retriever, of which there is no span',
    'tool unnamed failed +2': UNNAMED_CLASS,
    'agent refunds -2': GRAPH_WRAPPERS,
    'agent reviewer -1': GRAPH_WRAPPERS,
    'agent triage -2': GRAPH_WRAPPERS,
    'agent writer -1': GRAPH_WRAPPERS,
  },
  'otel-openai': { 'tool ask_refunds +1': AGENT_AS_TOOL },
  strands: { 'tool ask_refunds +2': AGENT_AS_TOOL, 'agent bad +1': OWN_AGENT, 'agent refunds +2': SUB_AGENT },
  ...both(['openinference-vercel', 'vercel-ai7', 'vercel-ai7-legacy'], {
    'agent bad +1': OWN_AGENT,
    'agent cached-faq +2': OWN_AGENT,
    'agent classify +1': OWN_AGENT,
    'agent faq-stream +1': OWN_AGENT,
  }),
  'vercel-ai7-default': {
    'agent bad +1': OWN_AGENT,
    'agent cached-faq +2': OWN_AGENT,
    'agent classify +1': OWN_AGENT,
    'agent faq-stream +1': OWN_AGENT,
    'no session': NO_IDENTITY,
    'no user': NO_IDENTITY,
  },
};

function both<T>(emitters: readonly string[], told: T): Readonly<Record<string, T>> {
  return Object.fromEntries(emitters.map((emitter) => [emitter, told]));
}
