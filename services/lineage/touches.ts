import type { AgentStep } from '../../schemas/agent-step.ts';
import { waysOfOperation } from '../../schemas/data-operation.ts';
import type { NodeKind } from '../../schemas/lineage-edge.ts';
import { type StepTouch, type TouchFlag, touchesIn } from '../../schemas/step-touch.ts';
import { cleanName } from './node-names.ts';

/** Something outside the agent that a step reached, as its facts tell it. */
export interface Touch {
  readonly edge: 'reads' | 'writes';
  readonly kind: Extract<NodeKind, 'dataset' | 'host' | 'file'>;
  readonly id: string;
  /** `key=value`. */
  readonly fields: readonly string[];
  /** What is rough about it; absent: nothing. */
  readonly flags?: readonly (TouchFlag | 'declared' | 'failed')[];
  /** Which statement of the step: what one statement reads goes into what it writes. Absent: nothing says so. */
  readonly statement?: number;
}

/** RFC 9110, 9.2.1: methods that ask for nothing but an answer. */
const SAFE_METHOD = /^(?:GET|HEAD|OPTIONS|TRACE)$/i;

/** Everything a step's facts say it touched, or tried to, and what is `declared` of the tool it calls. */
export const touchesOf = (step: AgentStep, declared: readonly Touch[] = []): readonly Touch[] => {
  const told = [
    ...[...dataTouches(step), ...egressTouch(step), ...resourceTouch(step), ...toldTouches(step)],
    ...declared,
  ];
  return step.status === 'error'
    ? told.map((touch) => ({ ...touch, flags: [...(touch.flags ?? []), 'failed'] }))
    : told;
};

/** `data.namespace` and `data.name` (OpenLineage's naming) or `data.dataset` (a retrieval's data source). */
const dataTouches = ({ facts }: AgentStep): readonly Touch[] => {
  const namespace = cleanName(facts['data.namespace']);
  const name = cleanName(facts['data.name']) ?? cleanName(facts['data.dataset']);
  if (name === null) return [];
  const isFile = namespace === 'file';
  const operation = cleanName(facts['data.operation']);
  const { ways, isKnown } = waysOfOperation(operation);
  const node = {
    kind: isFile ? ('file' as const) : ('dataset' as const),
    id: isFile || namespace === null ? name : (cleanName(`${namespace}/${name}`) ?? name),
    fields: [
      ...(namespace === null || isFile ? [] : [`namespace=${namespace}`, `name=${name}`]),
      ...(isKnown ? [] : [`operation=${operation}`]),
    ],
  };
  return ways.map((edge) => ({ edge, ...node }));
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

/** Columns kept of one touch: the edge says which, the statement says the rest. */
const COLUMNS_MAX = 24;

/** What the normalizer found in statements, requests and arguments. */
const toldTouches = ({ facts }: AgentStep): readonly Touch[] => {
  if (facts['touch.0'] === undefined) return [];
  const { touches, isCut } = touchesIn(facts);
  const told = touches.flatMap(toldTouch);
  const [first] = told;
  // There was more than the step could carry: it may be anything, and that must not look like nothing.
  if (isCut && first !== undefined) told.push({ ...first, id: ANY, fields: [], flags: [...(first.flags ?? [])] });
  return told;
};
/** Id of the node that stands for all there is of its kind. */
const ANY = '*';

const toldTouch = (told: StepTouch): readonly Touch[] => {
  const namespace = cleanName(told.namespace);
  const name = cleanName(told.name);
  const id = name === null || namespace === null ? name : cleanName(`${namespace}/${name}`);
  if (id === null) return [];
  const fields = [
    ...(namespace === null ? [] : [`namespace=${namespace}`, `name=${name}`]),
    ...(told.operation === null ? [] : [`operation=${told.operation}`]),
    ...told.columns.slice(0, COLUMNS_MAX).map((column) => `column=${column}`),
  ];
  return [
    {
      edge: told.way,
      kind: told.kind,
      id,
      fields,
      ...(told.flags.length === 0 ? {} : { flags: told.flags }),
      statement: told.statement,
    },
  ];
};
