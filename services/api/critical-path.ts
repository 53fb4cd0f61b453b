/** A span as its place in time and below another one; microseconds since 1970. */
export interface TimedSpan {
  readonly span_id: string;
  readonly parent_span_id: string;
  readonly start: number;
  readonly end: number;
}

/** A stretch of the critical path: nothing could have ended sooner without this being shorter. */
export interface CriticalSegment {
  /** null: between spans that have no common one above, where nothing is told of what went on. */
  readonly span_id: string | null;
  readonly start: number;
  readonly end: number;
}

interface Frame {
  readonly id: string | null;
  readonly children: readonly TimedSpan[];
  readonly from: number;
  cursor: number;
  next: number;
}

/**
 * What the end of a run waited for, stretch by stretch, from its first moment to its last: the segments meet without
 * gaps, so their lengths add up to the run's. Backwards from the end of a span: the child that ended last before this
 * moment, and what that waited for; what no child covers is the span's own. A child that outlives its parent counts up to
 * the parent's end, one that runs beside the one waited for not at all. Spans whose parent has not come stand side by
 * side at the top; of a circle of parents the one that begins first. Takes n log n; trees may be as deep as they are long.
 */
export const criticalPath = (spans: readonly TimedSpan[]): readonly CriticalSegment[] => {
  const { tops, childrenOf } = treeOf(spans);
  if (tops.length === 0) return [];
  const from = tops.reduce((least, { start }) => Math.min(least, start), Infinity);
  const until = tops.reduce((most, span) => Math.max(most, endOf(span)), -Infinity);
  const backwards: CriticalSegment[] = [];
  const own = (frame: Frame, start: number): void => {
    if (frame.cursor > start) backwards.push({ span_id: frame.id, start, end: frame.cursor });
  };
  const stack: Frame[] = [{ id: null, children: byEnd(tops), from, cursor: until, next: 0 }];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const child = nextChild(frame);
    if (child === null) {
      own(frame, frame.from);
      stack.pop();
      continue;
    }
    const [start, end] = within(child, frame);
    own(frame, end);
    frame.cursor = start;
    stack.push({ id: child.span_id, children: byEnd(childrenOf(child)), from: start, cursor: end, next: 0 });
  }
  return merged(backwards.reverse());
};

const endOf = ({ start, end }: TimedSpan): number => Math.max(start, end);

/** A child's time, as far as it lies within what its parent may still account for. */
const within = (child: TimedSpan, frame: Frame): readonly [start: number, end: number] => [
  Math.max(child.start, frame.from),
  Math.min(endOf(child), frame.cursor),
];

/** The child that ended last; of those that outlive the moment only one at the end of the parent itself is waited for. */
const nextChild = (frame: Frame): TimedSpan | null => {
  const isFresh = frame.next === 0;
  for (; frame.next < frame.children.length; ) {
    const child = frame.children[frame.next];
    frame.next += 1;
    if (child === undefined) break;
    const [start, end] = within(child, frame);
    if (end > start && (isFresh || endOf(child) <= frame.cursor)) return child;
  }
  return null;
};

/** The last to end first; of two that end together the longer one. */
const byEnd = (spans: readonly TimedSpan[]): readonly TimedSpan[] =>
  [...spans].sort((a, b) => endOf(b) - endOf(a) || a.start - b.start || (a.span_id < b.span_id ? -1 : 1));

const NONE: readonly TimedSpan[] = [];

const treeOf = (spans: readonly TimedSpan[]) => {
  const byId = new Map(spans.map((span) => [span.span_id, span]));
  const tops: TimedSpan[] = [];
  const children = new Map<string, TimedSpan[]>();
  const all = [...byId.values()].sort((a, b) => a.start - b.start || (a.span_id < b.span_id ? -1 : 1));
  const cut = circleTops(all, byId);
  for (const span of all) {
    if (!byId.has(span.parent_span_id) || cut.has(span.span_id)) {
      tops.push(span);
      continue;
    }
    const known = children.get(span.parent_span_id);
    if (known === undefined) children.set(span.parent_span_id, [span]);
    else known.push(span);
  }
  return { tops, childrenOf: (span: TimedSpan) => children.get(span.span_id) ?? NONE };
};

/** Of every circle of parents the span that begins first. */
const circleTops = (all: readonly TimedSpan[], byId: ReadonlyMap<string, TimedSpan>): ReadonlySet<string> => {
  const tops = new Set<string>();
  const done = new Set<string>();
  for (const span of all) {
    const trail = new Set<string>();
    let at: TimedSpan | undefined = span;
    while (at !== undefined && !done.has(at.span_id) && !trail.has(at.span_id)) {
      trail.add(at.span_id);
      at = byId.get(at.parent_span_id);
    }
    if (at !== undefined && trail.has(at.span_id)) {
      const around = [...trail].map((id) => byId.get(id)).filter((one) => one !== undefined);
      const circle = around.slice(around.indexOf(at));
      tops.add(circle.reduce(firstOf).span_id);
    }
    for (const id of trail) done.add(id);
  }
  return tops;
};

const firstOf = (a: TimedSpan, b: TimedSpan): TimedSpan =>
  b.start < a.start || (b.start === a.start && b.span_id < a.span_id) ? b : a;

const merged = (segments: readonly CriticalSegment[]): readonly CriticalSegment[] => {
  const joined: CriticalSegment[] = [];
  for (const segment of segments) {
    const last = joined.at(-1);
    if (last !== undefined && last.span_id === segment.span_id && last.end === segment.start)
      joined[joined.length - 1] = { ...last, end: segment.end };
    else joined.push(segment);
  }
  return joined;
};
