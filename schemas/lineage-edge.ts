import type { EvidenceLevel } from './policy-violation.ts';

/** What can stand at an end of an edge. A contract: `KIND:ID` names a node in the API. */
export const NODE_KINDS = ['run', 'agent', 'tool', 'model', 'dataset', 'host', 'file', 'user'] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

/** What one node does with another, read as subject → object. A contract. */
export const EDGE_TYPES = [
  'delegates', // agent → agent whose work is nested in its own
  'hands_off', // agent → agent, said by a hand-off step; run → run, said by a link
  'invokes', // run → agent at its top; agent (or run) → tool
  'uses_model', // agent (or run) → model
  'reads', // tool, agent or run → dataset, file or host
  'writes', // the same, changing or sending something there
  'derives', // dataset, file or host that was read → the one written after it: the way data flows
  'acts_for', // agent (or run) → user
] as const;
export type EdgeType = (typeof EDGE_TYPES)[number];

/**
 * What is known to be rough about an edge:
 * 'parent_missing': the steps above have not come, so the run stands where an agent may belong;
 * 'summarised': of a step beyond the number held of one run, judged once with what was known then;
 * 'more': stands for all edges of its type beyond the number kept of one run, its object is `*`;
 * 'sums_only': the model was named by a step that repeats or sums calls, no call itself was told;
 * 'sql_unparsed': no grammar took the statement: tables by their words alone, or the database as a whole;
 * 'from_arguments': the arguments of a tool name the data, nothing says of which database;
 * 'declared': the catalogue of tools says so, no telemetry does;
 * 'failed': every step that tells it failed: it was tried, no data flowed.
 */
export const EDGE_FLAGS = [
  'parent_missing',
  'summarised',
  'more',
  'sums_only',
  'sql_unparsed',
  'from_arguments',
  'declared',
  'failed',
] as const;
export type EdgeFlag = (typeof EDGE_FLAGS)[number];

export interface LineageNode {
  readonly kind: NodeKind;
  /** Name or id as told; a dataset's is OpenLineage namespace, `/`, name. */
  readonly id: string;
}

/**
 * A row of `lineage_edges`. Signed: an edge that later steps change is taken back by a row that repeats every dimension
 * with weight −1, so `sum(weight)` over any slice is 1 for an edge in force and 0 for one taken back.
 */
export interface LineageEdge {
  /** Deterministic over tenant, run, both ends, type and how often the edge was set before; of a reversal over what it reverses. */
  readonly edge_id: string;
  readonly tenant_id: string;
  readonly run_id: string;
  /** Start of the first step that tells the edge, `YYYY-MM-DD hh:mm:ss.uuuuuu` UTC; the ids are that step's. */
  readonly ts: string;
  readonly trace_id: string;
  readonly span_id: string;
  readonly step_id: string;
  readonly from_kind: NodeKind;
  readonly from_id: string;
  /** What the steps tell of the node besides its id, `key=value`, sorted: `provider=openai`, `agent_id=…`, `namespace=…`. */
  readonly from_fields: readonly string[];
  readonly to_kind: NodeKind;
  readonly to_id: string;
  readonly to_fields: readonly string[];
  readonly edge: EdgeType;
  /** Of `derives`: 'order': read before it was written; 'context': within one agent's conversation; 'value': a value, or the statement itself, went over. */
  readonly evidence_level: EvidenceLevel;
  readonly flags: readonly EdgeFlag[];
  readonly weight: 1 | -1;
  /** The row this one takes back, or null. */
  readonly reverses_edge_id: string | null;
  readonly batch_id: string;
  /** `YYYY-MM-DD hh:mm:ss.mmm` UTC, time of the log. */
  readonly logged_at: string;
}
