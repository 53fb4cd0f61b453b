import type { EdgeFlag, EdgeType, LineageNode } from '../../schemas/lineage-edge.ts';
import type { EvidenceLevel } from '../../schemas/policy-violation.ts';

/** Facts of a node on one edge; what more steps say of it is for their own pages. */
export const FIELDS_MAX = 32;

/** An edge that follows from the evidence, with the first step that tells it. */
export interface DesiredEdge {
  readonly from: LineageNode;
  readonly to: LineageNode;
  readonly edge: EdgeType;
  readonly from_fields: readonly string[];
  readonly to_fields: readonly string[];
  readonly flags: readonly EdgeFlag[];
  readonly evidence_level: EvidenceLevel;
  readonly start_unix_micros: number;
  readonly step_id: string;
  readonly trace_id: string;
  readonly span_id: string;
}

/** Edges of a run by `edgeKey`. */
export type Edges = ReadonlyMap<string, DesiredEdge>;

/** Tells edges of one run apart: type and both ends. */
export const edgeKey = ({ edge, from, to }: Pick<DesiredEdge, 'edge' | 'from' | 'to'>): string =>
  JSON.stringify([edge, from.kind, from.id, to.kind, to.id]);

/**
 * Two accounts of one edge as one: the first step is its evidence, fields are joined, and it is rough only in what
 * both are. Commutative and associative, so neither order nor repetition matters.
 */
export const mergeEdges = (a: DesiredEdge, b: DesiredEdge): DesiredEdge => {
  const isFirst =
    a.start_unix_micros !== b.start_unix_micros ? a.start_unix_micros < b.start_unix_micros : a.step_id <= b.step_id;
  return {
    ...(isFirst ? a : b),
    from_fields: union(a.from_fields, b.from_fields),
    to_fields: union(a.to_fields, b.to_fields),
    evidence_level: strongest(a.evidence_level, b.evidence_level),
    flags: a.flags.filter((flag) => b.flags.includes(flag)),
  };
};

const LEVELS: readonly EvidenceLevel[] = ['order', 'context', 'value'];

/** The level that proves more. */
export const strongest = (a: EvidenceLevel, b: EvidenceLevel): EvidenceLevel =>
  LEVELS.indexOf(a) >= LEVELS.indexOf(b) ? a : b;

/** The first few in order of text: of any two unions the cut gives the same. */
const union = (a: readonly string[], b: readonly string[]): readonly string[] =>
  a.length === 0 ? b : b.length === 0 ? a : [...new Set([...a, ...b])].sort().slice(0, FIELDS_MAX);

/** Puts an edge into a map under its key, joined with what is there. */
export const addEdge = (edges: Map<string, DesiredEdge>, edge: DesiredEdge): void => {
  const key = edgeKey(edge);
  const known = edges.get(key);
  edges.set(key, known === undefined ? edge : mergeEdges(known, edge));
};
