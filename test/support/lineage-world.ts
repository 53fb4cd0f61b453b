import { createDice, type Dice } from './random.ts';

/** A made world whose reads and writes are known: what its agents do is drawn first, and told as spans afterwards. */

export interface WorldTouch {
  readonly run: string;
  readonly agent: string;
  readonly tool: string;
  readonly way: 'reads' | 'writes';
  readonly table: string;
  /** Microseconds since 1970. */
  readonly start: number;
  readonly end: number;
  /** Touches of one statement have one. */
  readonly statement: string;
}

export interface World {
  readonly touches: readonly WorldTouch[];
  /** By run, on whose behalf; absent: nobody is told. */
  readonly users: ReadonlyMap<string, string>;
  /** One OTLP/JSON trace each. */
  readonly traces: readonly unknown[];
  readonly runs: readonly string[];
}

export const NAMESPACE = 'postgres://db.internal:5432';
const AGENTS = Array.from({ length: 10 }, (_, at) => `agent-${at}`);
const TOOLS = Array.from({ length: 40 }, (_, at) => `tool_${at}`);
const TABLES = Array.from({ length: 200 }, (_, at) => `wh.s${at % 7}.t${at}`);

const hexOf = (random: Dice, digits: number): string =>
  Array.from({ length: digits }, () => random.within(0, 16).toString(16)).join('');

/** So many different ones. */
const sample = <T>(random: Dice, among: readonly T[], count: number): readonly T[] => {
  const chosen = new Set<T>();
  while (chosen.size < count) chosen.add(random.pick(among));
  return [...chosen];
};

interface SpanDraft {
  readonly id: string;
  readonly parent: string;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Draws `runs` runs from a seed; times are microseconds, each run a second after the one before. */
export const makeWorld = (seed: number, runs: number, fromMicros: number): World => {
  const random = createDice(seed);
  const touches: WorldTouch[] = [];
  const users = new Map<string, string>();
  const traces: unknown[] = [];
  const names: string[] = [];
  for (let at = 0; at < runs; at += 1) {
    const run = hexOf(random, 32);
    names.push(run);
    const spans = drawRun(random, run, fromMicros + at * 1_000_000, touches, users);
    traces.push(otlpOf(run, spans));
  }
  return { touches, users, traces, runs: names };
};

const drawRun = (
  random: Dice,
  run: string,
  startMicros: number,
  touches: WorldTouch[],
  users: Map<string, string>,
): readonly SpanDraft[] => {
  const spans: SpanDraft[] = [];
  const chain = sample(random, AGENTS, 1 + random.within(0, 3));
  const user = random.within(0, 4) === 0 ? null : `user-${random.within(0, 6)}`;
  if (user !== null) users.set(run, user);
  let now = startMicros;
  let parent = '';
  const ends = startMicros + 900_000;
  for (const [depth, agent] of chain.entries()) {
    const id = hexOf(random, 16);
    const attributes = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': agent };
    const told = depth === 0 && user !== null ? { 'user.id': user } : {};
    spans.push({
      id,
      parent,
      name: `invoke_agent ${agent}`,
      start: now,
      end: ends,
      attributes: { ...attributes, ...told },
    });
    parent = id;
    for (let call = random.within(0, 4); call >= 0; call -= 1) {
      // Some calls begin while the one before is under way: nothing flows between those two.
      const start = now + random.within(0, 2_000);
      const end = start + 1_000 + random.within(0, 9_000);
      now = random.within(0, 4) === 0 ? start + 10 : end + 1 + random.within(0, 500);
      drawCall(random, { run, agent, parent: id, start, end }, spans, touches);
    }
  }
  return spans;
};

interface Call {
  readonly run: string;
  readonly agent: string;
  readonly parent: string;
  readonly start: number;
  readonly end: number;
}

const drawCall = (random: Dice, call: Call, spans: SpanDraft[], touches: WorldTouch[]): void => {
  const tool = random.pick(TOOLS);
  const toolId = hexOf(random, 16);
  spans.push({
    id: toolId,
    parent: call.parent,
    name: `execute_tool ${tool}`,
    start: call.start,
    end: call.end,
    attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': tool },
  });
  const [a = '', b = '', c = ''] = sample(random, TABLES, 3);
  const [sql, reads, writes] = random.pick<readonly [string, readonly string[], readonly string[]]>([
    [`SELECT * FROM ${short(a)} x JOIN ${short(b)} y ON x.id = y.id`, [a, b], []],
    [`SELECT count(*) FROM ${short(a)}`, [a], []],
    [`INSERT INTO ${short(a)} (id) VALUES ($1)`, [], [a]],
    [`UPDATE ${short(a)} SET z = 1 WHERE id = $1`, [], [a]],
    [`WITH n AS (SELECT * FROM ${short(b)}) INSERT INTO ${short(a)} SELECT * FROM n, ${short(c)}`, [b, c], [a]],
    [`MERGE INTO ${short(a)} t USING ${short(b)} s ON t.id = s.id WHEN MATCHED THEN DELETE`, [b], [a]],
    [`INSERT INTO ${short(a)} SELECT * FROM ${short(b)}; DELETE FROM ${short(c)}`, [b], [a, c]],
  ]);
  const [start, end] = [call.start + 100, call.end - 100];
  const id = hexOf(random, 16);
  spans.push({
    id,
    parent: toolId,
    name: 'query',
    start,
    end,
    attributes: {
      'db.system.name': 'postgresql',
      'db.namespace': 'wh',
      'server.address': 'db.internal',
      'db.query.text': sql,
    },
  });
  const told = (way: WorldTouch['way']) => (table: string) => {
    // The last one deletes in a statement of its own.
    const statement = sql.includes('; DELETE') && table === c ? `${id}/1` : `${id}/0`;
    touches.push({ run: call.run, agent: call.agent, tool, way, table, start, end, statement });
  };
  reads.forEach(told('reads'));
  writes.forEach(told('writes'));
};

/** Schema and table: the database is that of the connection. */
const short = (table: string): string => table.split('.').slice(1).join('.');

const otlpOf = (traceId: string, spans: readonly SpanDraft[]): unknown => ({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'world' } }] },
      scopeSpans: [
        {
          scope: { name: 'world' },
          spans: spans.map(({ id, parent, name, start, end, attributes }) => ({
            traceId,
            spanId: id,
            parentSpanId: parent,
            name,
            kind: 'db.query.text' in attributes ? 3 : 1,
            startTimeUnixNano: `${start}000`,
            endTimeUnixNano: `${end}000`,
            attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })),
          })),
        },
      ],
    },
  ],
});

/** One derivation in one run, by the plainest reading of what it means: every reading against every writing. */
export interface WorldDerivation {
  readonly run: string;
  readonly from: string;
  readonly to: string;
  readonly level: 'order' | 'context' | 'value';
  /** The first writing it may have gone into. */
  readonly micros: number;
}

const LEVELS = ['order', 'context', 'value'] as const;

/** How a reading can have gone into a writing; null: it cannot. */
const levelBetween = (read: WorldTouch, write: WorldTouch): WorldDerivation['level'] | null => {
  if (read.way !== 'reads' || write.way !== 'writes' || read.table === write.table) return null;
  if (read.statement === write.statement) return 'value';
  if (read.end > write.start) return null;
  return read.agent === write.agent ? 'context' : 'order';
};

const better = (a: WorldDerivation, b: WorldDerivation): WorldDerivation => ({
  ...a,
  level: LEVELS.indexOf(a.level) > LEVELS.indexOf(b.level) ? a.level : b.level,
  micros: Math.min(a.micros, b.micros),
});

export const derivationsOf = (touches: readonly WorldTouch[]): readonly WorldDerivation[] => {
  const found = new Map<string, WorldDerivation>();
  for (const ofRun of Map.groupBy(touches, ({ run }) => run).values())
    for (const read of ofRun)
      for (const write of ofRun) {
        const level = levelBetween(read, write);
        if (level === null) continue;
        const one = { run: read.run, from: read.table, to: write.table, level, micros: write.start };
        const key = `${one.run} ${one.from} ${one.to}`;
        found.set(key, better(one, found.get(key) ?? one));
      }
  return [...found.values()];
};

/** Everything data may have got to, with the first moment: over and over until nothing changes. */
export const spreadOf = (
  derivations: readonly WorldDerivation[],
  seeds: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> => {
  const reached = new Map(seeds);
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const { from, to, micros } of derivations) {
      const since = reached.get(from);
      if (since === undefined || micros < since || micros >= (reached.get(to) ?? Infinity)) continue;
      reached.set(to, micros);
      isChanged = true;
    }
  }
  return reached;
};
