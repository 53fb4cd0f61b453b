import type { AgentStep } from '../../schemas/agent-step.ts';
import type { NodeKind } from '../../schemas/lineage-edge.ts';
import { cleanName } from './node-names.ts';

/** Something outside the agent that a step reached, as its facts tell it. */
export interface Touch {
  readonly edge: 'reads' | 'writes';
  readonly kind: Extract<NodeKind, 'dataset' | 'host' | 'file'>;
  readonly id: string;
  /** `key=value`. */
  readonly fields: readonly string[];
}

/** Words for what is done to data. One that stands in neither list is kept in the fields, and taken as reading. */
const WRITING =
  /^(?:write|insert|update|upsert|delete|drop|create|alter|truncate|merge|append|put|post|patch|replace|upload|save|store|copy_to|export)/i;
const READING =
  /^(?:read|select|query|get|list|scan|search|fetch|find|load|download|retrieve|describe|count|copy_from)/i;
const BOTH = /^(?:read[-_ ]?write|rw|readwrite)$/i;
/** RFC 9110, 9.2.1: methods that ask for nothing but an answer. */
const SAFE_METHOD = /^(?:GET|HEAD|OPTIONS|TRACE)$/i;

/** Everything a step's facts say it touched; at most three things, for each fact has one place. */
export const touchesOf = (step: AgentStep): readonly Touch[] => [
  ...dataTouches(step),
  ...egressTouch(step),
  ...resourceTouch(step),
];

/** `data.namespace` and `data.name` (OpenLineage's naming) or `data.dataset` (a retrieval's data source). */
const dataTouches = ({ facts }: AgentStep): readonly Touch[] => {
  const namespace = cleanName(facts['data.namespace']);
  const name = cleanName(facts['data.name']) ?? cleanName(facts['data.dataset']);
  if (name === null) return [];
  const isFile = namespace === 'file';
  const operation = cleanName(facts['data.operation']);
  const node = {
    kind: isFile ? ('file' as const) : ('dataset' as const),
    id: isFile || namespace === null ? name : (cleanName(`${namespace}/${name}`) ?? name),
    fields: [
      ...(namespace === null || isFile ? [] : [`namespace=${namespace}`, `name=${name}`]),
      ...unclear(operation),
    ],
  };
  return waysOf(operation).map((edge) => ({ edge, ...node }));
};

const waysOf = (operation: string | null): readonly Touch['edge'][] => {
  if (operation === null) return ['reads'];
  if (BOTH.test(operation)) return ['reads', 'writes'];
  return WRITING.test(operation) ? ['writes'] : ['reads'];
};

const unclear = (operation: string | null): readonly string[] => {
  if (operation === null) return [];
  return WRITING.test(operation) || READING.test(operation) || BOTH.test(operation) ? [] : [`operation=${operation}`];
};

/** Whatever leaves is a write to the host; only a method that is known to ask is a read. */
const egressTouch = ({ facts }: AgentStep): readonly Touch[] => {
  const host = cleanName(facts['egress.host'])?.toLowerCase();
  if (host === undefined) return [];
  const method = cleanName(facts['egress.method']);
  const zone = cleanName(facts['egress.zone']);
  const edge = method !== null && SAFE_METHOD.test(method) ? 'reads' : 'writes';
  return [{ edge, kind: 'host', id: host, fields: zone === null ? [] : [`zone=${zone}`] }];
};

/** A resource read over MCP: a file where its URI says so. */
const resourceTouch = ({ facts }: AgentStep): readonly Touch[] => {
  const uri = facts['mcp.method'] === 'resources/read' ? cleanName(facts['mcp.resource']) : null;
  if (uri === null) return [];
  const path = /^file:\/\/[^/]*(\/.+)$/i.exec(uri)?.[1];
  return [{ edge: 'reads', kind: path === undefined ? 'dataset' : 'file', id: path ?? uri, fields: [] }];
};
