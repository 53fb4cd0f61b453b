/** A CPU profile of Node told by stages of the normalizer instead of by functions. */

/** What `node --cpu-prof` writes (Chrome DevTools protocol, Profiler.Profile), as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export const STAGES = [
  'garbage collection',
  'Kafka: fetch, unpack',
  'OTLP decode',
  'recognise (conventions)',
  'redact, fingerprint, identity',
  'rows and contents',
  'Native encode',
  'insert (HTTP)',
  'step encode (Avro)',
  'Kafka: produce steps',
  'stream loop, commits',
  'start-up: modules',
  'rest',
] as const;
export type Stage = (typeof STAGES)[number];

/**
 * Which file belongs to which stage; the first line that matches counts. A sample belongs to the innermost of its
 * frames that has a stage: what Node itself does is its caller's.
 */
const PLACES: readonly (readonly [file: RegExp, stage: Stage])[] = [
  [/node:internal\/(modules|process\/esm|bootstrap)/, 'start-up: modules'],
  [/\/services\/normalizer\/(redact|text)\.ts|\/schemas\/identity\.ts/, 'redact, fingerprint, identity'],
  [/\/schemas\/otlp\//, 'OTLP decode'],
  [/\/services\/normalizer\/(conventions\/|span-view|attr-view)/, 'recognise (conventions)'],
  [/\/schemas\/agent-step|\/schemas\/avro|\/node_modules\/avsc\//, 'step encode (Avro)'],
  [/\/services\/normalizer\//, 'rows and contents'],
  [/\/services\/runtime\/native\//, 'Native encode'],
  [/\/@clickhouse\/|\/services\/runtime\/store\//, 'insert (HTTP)'],
  [/\/kafka-(producer|append|codecs)|\/outgoing\.ts|\/murmur2\.ts|\/kafkajs\/src\/producer\//, 'Kafka: produce steps'],
  [/\/kafkajs\/|\/runtime\/event-log\//, 'Kafka: fetch, unpack'],
  [/\/services\/runtime\/stream\//, 'stream loop, commits'],
];
/** Files of kafkajs that both directions use: the sample is the producer's when one of its callers is. */
const PRODUCER = /\/kafkajs\/src\/(producer|protocol\/requests\/produce)\/|\/kafka-(producer|append)/;
const ROOTS: ReadonlySet<string> = new Set(['(root)', '(idle)']);

/** Microseconds of the main thread by stage, idle time left out. */
export const stageMicros = (profile: CpuProfile): ReadonlyMap<Stage, number> => {
  const stages = stagesOf(profile);
  const micros = new Map<Stage, number>(STAGES.map((stage) => [stage, 0]));
  for (const [at, id] of profile.samples.entries()) {
    const stage = stages.get(id);
    if (stage !== undefined) micros.set(stage, (micros.get(stage) ?? 0) + (profile.timeDeltas[at] ?? 0));
  }
  return micros;
};

/** The most expensive functions themselves (without what they call), as `name file:line`, with their microseconds. */
export const hottest = (profile: CpuProfile, count: number): readonly (readonly [place: string, micros: number])[] => {
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName === '' ? '(anonymous)' : functionName} ${url.split('/').slice(-3).join('/')}:${lineNumber + 1}`,
    ]),
  );
  const micros = new Map<string, number>();
  for (const [at, id] of profile.samples.entries()) {
    const name = names.get(id) ?? '';
    if (!name.startsWith('(idle)')) micros.set(name, (micros.get(name) ?? 0) + (profile.timeDeltas[at] ?? 0));
  }
  return [...micros].sort(([, a], [, b]) => b - a).slice(0, count);
};

/** Stage of every node of the call tree; nodes of idle time have none. */
const stagesOf = (profile: CpuProfile): ReadonlyMap<number, Stage> => {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const stages = new Map<number, Stage>();
  const root = profile.nodes[0];
  if (root === undefined) return stages;
  const open: { readonly id: number; readonly above: Stage; readonly isProducing: boolean }[] = [
    { id: root.id, above: 'rest', isProducing: false },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const node = byId.get(next.id);
    if (node === undefined) continue;
    const { functionName, url } = node.callFrame;
    const isProducing = next.isProducing || PRODUCER.test(url);
    const stage = stageOf(functionName, url, next.above, isProducing);
    if (!ROOTS.has(functionName)) stages.set(node.id, stage);
    for (const id of node.children ?? []) open.push({ id, above: stage, isProducing });
  }
  return stages;
};

const stageOf = (functionName: string, url: string, above: Stage, isProducing: boolean): Stage => {
  if (functionName === '(garbage collector)') return 'garbage collection';
  const own = PLACES.find(([file]) => file.test(url))?.[1];
  if (own === 'Kafka: fetch, unpack' && isProducing) return 'Kafka: produce steps';
  return own ?? above;
};
