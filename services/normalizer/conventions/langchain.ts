/** Runnables and channels LangChain puts around every node of a graph. */
const PLUMBING = /^(?:Runnable|ChannelWrite|LangGraph$|CompiledStateGraph$|__)/;

/** What `createAgent` writes into the metadata of every span of its graph. */
export const AGENT_INTEGRATION = 'langchain_create_agent';

/**
 * Whether a chain of LangChain is the graph of an agent, by its name and the node it says it runs in: no node of the
 * graph itself and nothing that only carries one. (`lc_agent_name` does not tell: an agent called by another's tool
 * inherits the caller's.)
 */
export const isAgentGraph = (name: string, node: string | undefined): boolean => name !== node && !PLUMBING.test(name);
