import type { EdgeFlag, LineageNode } from '../../schemas/lineage-edge.ts';
import type { EvidenceLevel } from '../../schemas/policy-violation.ts';
import { InvariantError } from '../runtime/errors.ts';
import type { DesiredEdge } from './edges.ts';
import type { Evidence } from './evidence.ts';

/**
 * Pairs of what was read and what was written later that are told of one run. An agent that reads a thousand files and
 * writes a hundred makes a hundred thousand, each as likely as the next: they say nothing but «everything before».
 */
const DERIVES_MAX = 2_000;
/** Readings that gave one and the same value: beyond this it is no value that tells where it came from. */
const GIVERS_MAX = 32;

/** One thing a step read or wrote, as the flow of data asks for it. */
export interface Flow {
  readonly way: 'reads' | 'writes';
  readonly node: LineageNode;
  readonly step: Evidence;
  /** The step whose arguments and result it went through: its tool, else itself. */
  readonly through: Evidence;
  /** Agent in whose conversation it happened; null: none is told. */
  readonly conversation: string | null;
  /** Statement of the step; null: nothing says that what it reads goes into what it writes. */
  readonly statement: number | null;
  readonly took: readonly string[];
  readonly gave: readonly string[];
  readonly flags: readonly EdgeFlag[];
}

/**
 * `derives` edges of a run, from what was read to what was written: within one statement, or of a value that came out
 * of the one and went into the other ('value'); read before it was written within one agent's conversation
 * ('context'); only before it in time ('order'). A function of the set of flows. Beyond the number kept, what was
 * written derives from `*`.
 */
export const derivedEdges = (flows: readonly Flow[]): readonly DesiredEdge[] => {
  const named = flows.filter(({ node }) => node.id !== ANY);
  const reads = named.filter(({ way }) => way === 'reads');
  const writes = named.filter(({ way }) => way === 'writes').sort(byStart);
  if (reads.length === 0 || writes.length === 0) return [];
  return [...sameStatement(named), ...sameValue(reads, writes), ...inTime(reads, writes)];
};

/** Id of the node that stands for all there is. */
const ANY = '*';
const keyOf = ({ node }: Flow): string => `${node.kind}:${node.id}`;
const byStart = (a: Flow, b: Flow): number =>
  a.step.start_unix_micros - b.step.start_unix_micros || (a.step.step_id < b.step.step_id ? -1 : 1);

const edgeOf = (
  from: LineageNode,
  write: Flow,
  level: EvidenceLevel,
  told: Pick<DesiredEdge, 'flags' | 'to_fields'>,
): DesiredEdge => ({
  from,
  to: write.node,
  edge: 'derives',
  from_fields: [],
  ...told,
  evidence_level: level,
  start_unix_micros: write.step.start_unix_micros,
  step_id: write.step.step_id,
  trace_id: write.step.trace_id,
  span_id: write.step.span_id,
});

const flagsOf = (read: Flow, write: Flow): readonly EdgeFlag[] => [...new Set([...read.flags, ...write.flags])].sort();

/** Whoever says of a tool what it reads and writes says nothing of which went into which. */
const levelOf = (read: Flow, write: Flow): 'value' | 'context' =>
  [...read.flags, ...write.flags].includes('declared') ? 'context' : 'value';

/** `INSERT INTO b SELECT … FROM a`: the statement says it itself. */
const sameStatement = (flows: readonly Flow[]): readonly DesiredEdge[] => {
  const told = flows.filter(({ statement }) => statement !== null);
  const groups = Map.groupBy(told, ({ step, statement }) => `${step.step_id} ${statement}`);
  return [...groups.values()].flatMap((group) => {
    const writes = group.filter(({ way }) => way === 'writes');
    if (writes.length === 0) return [];
    return group
      .filter(({ way }) => way === 'reads')
      .flatMap((read) =>
        writes
          .filter((write) => keyOf(write) !== keyOf(read))
          .map((write) =>
            edgeOf(read.node, write, levelOf(read, write), {
              flags: flagsOf(read, write),
              to_fields: ['by=statement'],
            }),
          ),
      );
  });
};

/** By value, the readings that gave it, the first to be known first. */
const giversOf = (reads: readonly Flow[]): ReadonlyMap<string, readonly Flow[]> => {
  const givers = new Map<string, Flow[]>();
  const inOrder = [...reads].sort((a, b) => a.through.end_unix_micros - b.through.end_unix_micros || byStart(a, b));
  for (const read of inOrder)
    for (const print of read.gave) {
      const known = givers.get(print) ?? [];
      if (known.length === 0) givers.set(print, known);
      if (known.length < GIVERS_MAX) known.push(read);
    }
  return givers;
};

/** A value that a tool gave is among those another one took, later. */
const sameValue = (reads: readonly Flow[], writes: readonly Flow[]): readonly DesiredEdge[] => {
  const givers = giversOf(reads);
  const edges = new Map<string, DesiredEdge>();
  for (const write of writes) {
    if (edges.size >= DERIVES_MAX) break;
    const earlier = write.took
      .flatMap((print) => givers.get(print) ?? [])
      .filter((read) => read.through.end_unix_micros <= write.through.start_unix_micros);
    for (const read of earlier) {
      const key = `${keyOf(read)}\n${keyOf(write)}`;
      // Writes come in order of time: the first one that took the value tells it.
      if (keyOf(read) !== keyOf(write) && !edges.has(key))
        edges.set(key, edgeOf(read.node, write, 'value', { flags: flagsOf(read, write), to_fields: ['by=value'] }));
    }
  }
  return [...edges.values()];
};

/** Something that was read: when it was first known, in all and in each conversation. */
interface Source {
  readonly key: string;
  readonly node: LineageNode;
  readonly flags: readonly EdgeFlag[];
  readonly firstEnd: number;
  readonly firstEndIn: ReadonlyMap<string, number>;
}

const sourcesOf = (reads: readonly Flow[]): readonly Source[] =>
  [...Map.groupBy(reads, keyOf)]
    .flatMap(([key, flows]) => {
      const [first] = flows;
      if (first === undefined) return [];
      const firstEndIn = new Map<string, number>();
      for (const { conversation, step } of flows)
        if (conversation !== null)
          firstEndIn.set(conversation, Math.min(step.end_unix_micros, firstEndIn.get(conversation) ?? Infinity));
      const firstEnd = flows.reduce((least, { step }) => Math.min(least, step.end_unix_micros), Infinity);
      const flags = first.flags.filter((flag) => flows.every((flow) => flow.flags.includes(flag)));
      return [{ key, node: first.node, flags, firstEnd, firstEndIn }];
    })
    .sort((a, b) => a.firstEnd - b.firstEnd || (a.key < b.key ? -1 : 1));

/** Everything that was known before something was written. Sources in order of time: each pair looked at is one. */
const inTime = (reads: readonly Flow[], writes: readonly Flow[]): readonly DesiredEdge[] => {
  const sources = sourcesOf(reads);
  const edges: DesiredEdge[] = [];
  for (const [target, flows] of Map.groupBy(writes, keyOf)) {
    const last = flows.at(-1);
    if (last === undefined) continue;
    const conversations = Map.groupBy(flows, ({ conversation }) => conversation);
    for (const source of sources) {
      if (source.firstEnd > last.step.start_unix_micros) break;
      if (source.key === target) continue;
      if (edges.length >= DERIVES_MAX) {
        edges.push(edgeOf({ kind: source.node.kind, id: ANY }, last, 'order', { flags: ['more'], to_fields: [] }));
        break;
      }
      edges.push(pairOf(source, flows, conversations));
    }
  }
  return edges;
};

/** Told by the first writing it may have gone into: from then on the one may stand in the other, however well that is known. */
const pairOf = (
  source: Source,
  writes: readonly Flow[],
  conversations: ReadonlyMap<string | null, readonly Flow[]>,
): DesiredEdge => {
  const isContext = [...source.firstEndIn].some(
    ([name, end]) => firstAfter(conversations.get(name) ?? [], end) !== undefined,
  );
  const write = firstAfter(writes, source.firstEnd);
  if (write === undefined) throw new InvariantError(`nothing writes after ${source.key}`);
  return edgeOf(source.node, write, isContext ? 'context' : 'order', { flags: [...source.flags], to_fields: [] });
};

/** The first of some writes, in order of time, that began no earlier than something ended. */
const firstAfter = (writes: readonly Flow[], endMicros: number): Flow | undefined => {
  let [low, high] = [0, writes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((writes[middle]?.step.start_unix_micros ?? Infinity) < endMicros) low = middle + 1;
    else high = middle;
  }
  return writes[low];
};
