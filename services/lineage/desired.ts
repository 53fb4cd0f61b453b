import type { EdgeFlag, EdgeType, LineageNode } from '../../schemas/lineage-edge.ts';
import { derivedEdges, type Flow } from './derives.ts';
import { addEdge, type DesiredEdge, type Edges, FIELDS_MAX } from './edges.ts';
import type { Evidence, Said } from './evidence.ts';
import { createAgentFinder, type NamedNode } from './node-names.ts';
import { buildRunTree, type Place, type RunTree } from './run-tree.ts';
import type { Touch } from './touches.ts';

/** Every edge the steps of a run tell. `only`: judge just these of them, for the others are already judged. */
export const desiredEdges = (runId: string, evidence: Iterable<Evidence>, only?: ReadonlySet<Evidence>): Edges => {
  const tree = buildRunTree(evidence);
  const judge: Judge = {
    tree,
    run: { kind: 'run', id: runId },
    find: createAgentFinder(new Set(tree.steps.flatMap((step) => step.said?.agent?.name ?? []))),
    outer: new Set(tree.steps.flatMap((step) => innerCall(step, tree.placeOf(step)))),
    edges: new Map(),
    mentions: [],
    sums: [],
    flows: [],
    guesses: [],
    toldTools: new Set(),
  };
  for (const step of tree.steps) {
    if (step.said === null) continue;
    if (only === undefined || only.has(step)) judgeStep(judge, step, step.said);
    // What was read long ago is written now: data flows from steps that are judged already.
    else if (step.said.touches.length > 0) takeFlows(judge, step, step.said, tree.placeOf(step));
  }
  return settle(judge);
};

interface Judge {
  readonly tree: RunTree;
  readonly run: LineageNode;
  readonly find: (target: string) => string;
  /** Model calls that enclose the account of the same call which names its model. */
  readonly outer: ReadonlySet<Evidence>;
  readonly edges: Map<string, DesiredEdge>;
  /** Agents named by steps that are no agents themselves. */
  readonly mentions: DesiredEdge[];
  /** Models named by steps that sum up calls. */
  readonly sums: DesiredEdge[];
  readonly flows: Flow[];
  /** What the arguments of a tool name: second-hand, where the client of the database tells the same. */
  readonly guesses: { readonly tool: Evidence; readonly edge: DesiredEdge | null; readonly flow: Flow }[];
  /** Tools below which a client told what it touched. */
  readonly toldTools: Set<Evidence>;
}

const innerCall = (step: Evidence, place: Place): readonly Evidence[] =>
  step.said?.model?.role === 'leaf' && step.said.model.model !== null && place.call !== null ? [place.call] : [];

const agentNode = (name: string): LineageNode => ({ kind: 'agent', id: name });
const spanNamed = (node: NamedNode): readonly string[] => (node.isFromSpan ? ['named_by=span'] : []);

/** Who did what the step tells: its agent, else the run. */
const actorOf = (judge: Judge, said: Said, place: Place): LineageNode => {
  const agent = said.agent?.name ?? place.agent;
  return agent === null ? judge.run : agentNode(agent);
};

const judgeStep = (judge: Judge, step: Evidence, said: Said): void => {
  const place = judge.tree.placeOf(step);
  const actor = actorOf(judge, said, place);
  const edge = (
    type: EdgeType,
    from: LineageNode,
    to: LineageNode,
    fields: readonly string[] = [],
    extra: readonly EdgeFlag[] = [],
  ): DesiredEdge => ({
    from,
    to,
    edge: type,
    from_fields: [],
    to_fields: [...fields].sort().slice(0, FIELDS_MAX),
    flags: from.kind === 'run' && place.isLoose ? ['parent_missing', ...extra] : extra,
    evidence_level: 'order',
    start_unix_micros: step.start_unix_micros,
    step_id: step.step_id,
    trace_id: step.trace_id,
    span_id: step.span_id,
  });
  const make: Maker = { judge, step, said, place, actor, edge };
  judgeAgent(make);
  judgeTool(make);
  judgeModel(make);
  judgeTouches(make);
  judgeLinks(make);
  if (said.user !== null) addEdge(judge.edges, edge('acts_for', actor, { kind: 'user', id: said.user }));
};

interface Maker {
  readonly judge: Judge;
  readonly step: Evidence;
  readonly said: Said;
  readonly place: Place;
  readonly actor: LineageNode;
  readonly edge: (
    type: EdgeType,
    from: LineageNode,
    to: LineageNode,
    fields?: readonly string[],
    extra?: readonly EdgeFlag[],
  ) => DesiredEdge;
}

/** An agent below another one was delegated to by it; at the top, the run invoked it. A wrapper of itself is neither. */
const judgeAgent = ({ judge, step, said, place, edge }: Maker): void => {
  if (said.agent === null || said.agent.name === place.agent) return;
  const fields = [...spanNamed(said.agent), ...(said.agent_id === null ? [] : [`agent_id=${said.agent_id}`])];
  const to = agentNode(said.agent.name);
  const found =
    place.agent === null
      ? edge('invokes', judge.run, to, fields)
      : edge('delegates', agentNode(place.agent), to, fields);
  if (step.step_kind === 'agent') addEdge(judge.edges, found);
  else judge.mentions.push(found);
};

const judgeTool = ({ judge, said, place, actor, edge }: Maker): void => {
  const target = said.hand_off?.to ?? null;
  if (said.hand_off !== null && target !== null) {
    const source = said.hand_off.from === null ? (said.agent?.name ?? place.agent) : judge.find(said.hand_off.from);
    const to = judge.find(target);
    const from = source === null ? judge.run : agentNode(source);
    if (source !== to) addEdge(judge.edges, edge('hands_off', from, agentNode(to)));
  } else if (said.tool !== null) {
    addEdge(judge.edges, edge('invokes', actor, { kind: 'tool', id: said.tool.name }, spanNamed(said.tool)));
  }
};

const judgeModel = ({ judge, step, said, actor, edge }: Maker): void => {
  const use = said.model;
  if (use === null || use.model === null || judge.outer.has(step)) return;
  const fields = use.provider === null ? [] : [`provider=${use.provider}`];
  const isCall = use.role === 'leaf';
  const found = edge('uses_model', actor, { kind: 'model', id: use.model }, fields, isCall ? [] : ['sums_only']);
  if (isCall) addEdge(judge.edges, found);
  else judge.sums.push(found);
};

/** What is read or written is so by the tool the step is part of, where there is one, and by that tool's agent. */
const judgeTouches = ({ judge, step, said, place, actor, edge }: Maker): void => {
  if (said.touches.length === 0) return;
  const tool = said.tool?.name ?? place.tool;
  const from: LineageNode = tool === null ? actor : { kind: 'tool', id: tool };
  const by = tool === null || actor.kind !== 'agent' ? [] : [`agent=${actor.id}`];
  takeFlows(judge, step, said, place, (touch) => ({
    ...edge(touch.edge, from, { kind: touch.kind, id: touch.id }, touch.fields, touch.flags),
    from_fields: by,
  }));
};

/** Of data that the tool itself tells, or a catalogue tells of it: what the client of the database tells counts for more. */
const SECOND_HAND: ReadonlySet<string> = new Set(['from_arguments', 'declared']);

/** Collects what a step touched for the flow of data, and with `edge` the edges that say so. */
const takeFlows = (
  judge: Judge,
  step: Evidence,
  said: Said,
  place: Place,
  edge: (touch: Touch) => DesiredEdge | null = () => null,
): void => {
  const tool = said.tool === null ? place.toolStep : step;
  for (const touch of said.touches) {
    const flow = flowOf(touch, step, said, place, tool);
    const told = edge(touch);
    if (touch.flags?.some((flag) => SECOND_HAND.has(flag)) === true && tool !== null) {
      judge.guesses.push({ tool, edge: told, flow });
      continue;
    }
    if (tool !== null && touch.kind === 'dataset') judge.toldTools.add(tool);
    if (told !== null) addEdge(judge.edges, told);
    // The request that carries a model call is that call: everything went there, and it says nothing of data.
    const isCall = touch.kind === 'host' && place.call !== null;
    if (!isCall && touch.flags?.includes('failed') !== true) judge.flows.push(flow);
  }
};

const NO_PRINTS: readonly string[] = [];

/** What a client below a tool touched went through the arguments and the result of that tool. */
const flowOf = (touch: Touch, step: Evidence, said: Said, place: Place, tool: Evidence | null): Flow => ({
  way: touch.edge,
  node: { kind: touch.kind, id: touch.id },
  step,
  through: tool ?? step,
  conversation: said.agent?.name ?? place.agent,
  statement: touch.statement ?? null,
  took: said.took ?? tool?.said?.took ?? NO_PRINTS,
  gave: said.gave ?? tool?.said?.gave ?? NO_PRINTS,
  flags: touch.flags ?? [],
});

/** A link of an agent's step says what led to it: an agent of the same run, or another run. */
const judgeLinks = ({ judge, said, place, edge }: Maker): void => {
  const to = said.agent?.name ?? place.agent;
  for (const link of said.links) {
    const linked = judge.tree.spanOf(link.trace_id, link.span_id);
    const from = linked === null ? null : (linked.said?.agent?.name ?? judge.tree.placeOf(linked).agent);
    if (linked !== null && from !== null && to !== null && from !== to) {
      addEdge(judge.edges, edge('hands_off', agentNode(from), agentNode(to)));
    } else if (linked === null && link.trace_id !== '' && link.trace_id !== judge.run.id) {
      addEdge(judge.edges, { ...edge('hands_off', { kind: 'run', id: link.trace_id }, judge.run), flags: [] });
    }
  }
};

/** Second-hand accounts count where there is no better one. */
const settle = ({ edges, mentions, sums, flows, guesses, toldTools }: Judge): Edges => {
  const believed = guesses.filter(({ tool }) => !toldTools.has(tool));
  const flowing = believed.flatMap(({ flow }) => (flow.flags.includes('failed') ? [] : [flow]));
  for (const { edge } of believed) if (edge !== null) addEdge(edges, edge);
  for (const edge of derivedEdges([...flows, ...flowing])) addEdge(edges, edge);
  const reached = new Set<string>();
  let hasCalls = false;
  for (const { edge, to } of edges.values()) {
    if (to.kind === 'agent') reached.add(to.id);
    if (edge === 'uses_model') hasCalls = true;
  }
  for (const mention of mentions) if (!reached.has(mention.to.id)) addEdge(edges, mention);
  if (!hasCalls) for (const sum of sums) addEdge(edges, sum);
  return edges;
};
