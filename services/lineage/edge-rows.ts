import { hash128 } from '../../schemas/identity.ts';
import type { LineageEdge } from '../../schemas/lineage-edge.ts';
import { utcMillis } from '../runtime/stream/time.ts';
import type { DesiredEdge, Edges } from './edges.ts';
import type { LineageState, SetEdge } from './state.ts';

/** What every row of a batch shares. */
export interface RowMoment {
  readonly tenantId: string;
  readonly runId: string;
  readonly batchId: string;
  /** `YYYY-MM-DD hh:mm:ss.mmm`, UTC, time of the log. */
  readonly at: string;
}

/** What is set, and the revision at which an edge begins that is not in it. */
export type EdgesSet = Pick<LineageState, 'set' | 'floor'>;

/** Rows that turn what is set into what is desired, and what is set then. */
export const setDifference = (
  { set, floor }: EdgesSet,
  desired: Edges,
  moment: RowMoment,
  takenBackMax: number,
): { readonly rows: readonly LineageEdge[] } & EdgesSet => {
  const rows: LineageEdge[] = [];
  const next = new Map(set);
  for (const key of [...new Set([...set.keys(), ...desired.keys()])].sort()) {
    const known = set.get(key);
    const wanted = desired.get(key) ?? null;
    const was = known?.edge ?? null;
    if (isSame(was, wanted)) continue;
    let revision = known?.revision ?? floor;
    if (was !== null) rows.push(rowOf(was, revision, -1, moment));
    // A number of its own also when nothing takes its place: an id is never used twice.
    if (was !== null) revision += 1;
    if (wanted !== null) rows.push(rowOf(wanted, revision, 1, moment));
    next.set(key, { revision, edge: wanted });
  }
  return { rows, ...forgetTakenBack(next, floor, takenBackMax) };
};

/**
 * A run whose edges change without end must not remember every one that ever was. Forgotten ones begin, if they come
 * again, above all revisions they had: an id is still never used twice.
 */
const forgetTakenBack = (set: ReadonlyMap<string, SetEdge>, floor: number, takenBackMax: number): EdgesSet => {
  const takenBack = [...set.values()].filter(({ edge }) => edge === null);
  if (takenBack.length <= takenBackMax) return { set, floor };
  return {
    set: new Map([...set].filter(([, { edge }]) => edge !== null)),
    floor: takenBack.reduce((highest, { revision }) => Math.max(highest, revision), floor),
  };
};

const isSame = (a: DesiredEdge | null, b: DesiredEdge | null): boolean =>
  a === b || (a !== null && b !== null && JSON.stringify(plain(a)) === JSON.stringify(plain(b)));

const plain = (edge: DesiredEdge): readonly unknown[] => [
  edge.step_id,
  edge.trace_id,
  edge.span_id,
  edge.start_unix_micros,
  edge.from_fields,
  edge.to_fields,
  edge.flags,
  edge.evidence_level,
];

const rowOf = (edge: DesiredEdge, revision: number, weight: 1 | -1, moment: RowMoment): LineageEdge => {
  const { tenantId, runId } = moment;
  const id = hash128([
    tenantId,
    runId,
    edge.edge,
    edge.from.kind,
    edge.from.id,
    edge.to.kind,
    edge.to.id,
    String(revision),
  ]);
  return {
    edge_id: weight === 1 ? id : hash128(['reversal', id]),
    tenant_id: tenantId,
    run_id: runId,
    ts: microsText(edge.start_unix_micros),
    trace_id: edge.trace_id,
    span_id: edge.span_id,
    step_id: edge.step_id,
    from_kind: edge.from.kind,
    from_id: edge.from.id,
    from_fields: edge.from_fields,
    to_kind: edge.to.kind,
    to_id: edge.to.id,
    to_fields: edge.to_fields,
    edge: edge.edge,
    evidence_level: edge.evidence_level,
    flags: edge.flags,
    weight,
    reverses_edge_id: weight === 1 ? null : id,
    batch_id: moment.batchId,
    logged_at: moment.at,
  };
};

/** Microseconds since 1970 → `YYYY-MM-DD hh:mm:ss.uuuuuu`. */
const microsText = (micros: number): string => {
  const ms = Math.floor(micros / 1000);
  return `${utcMillis(ms)}${String(micros - ms * 1000).padStart(3, '0')}`;
};
