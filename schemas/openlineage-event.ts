/** Run events of OpenLineage 2-0-2 (openlineage.io/spec), as far as we write and read them. */

export const OPENLINEAGE_SCHEMA = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent';
export const OPENLINEAGE_PRODUCER = 'https://tachograph.dev/openlineage';
const FACETS = 'https://tachograph.dev/openlineage/1-0-0';

export interface OpenLineageDataset {
  readonly namespace: string;
  readonly name: string;
}

export interface OpenLineageEvent {
  readonly eventType: 'START' | 'COMPLETE' | 'FAIL';
  readonly eventTime: string;
  readonly producer: string;
  readonly schemaURL: string;
  readonly run: { readonly runId: string; readonly facets: Readonly<Record<string, object>> };
  readonly job: {
    readonly namespace: string;
    readonly name: string;
    readonly facets: Readonly<Record<string, object>>;
  };
  readonly inputs: readonly OpenLineageDataset[];
  readonly outputs: readonly OpenLineageDataset[];
}

/** What a run is, from the table `runs` and its edges. */
export interface ExportedRun {
  readonly tenant_id: string;
  readonly run_id: string;
  /** ISO 8601 with Z. */
  readonly first_ts: string;
  readonly last_ts: string;
  readonly name: string;
  readonly root_agent: string | null;
  readonly workflow: string | null;
  readonly session_id: string | null;
  readonly service: string;
  readonly steps: number;
  readonly errors: number;
  readonly calls: number;
  readonly unpriced_calls: number;
  readonly cost_usd: string | null;
}

/** A step of an agent: a job of its own inside the run. */
export interface ExportedAgent {
  readonly run_id: string;
  readonly step_id: string;
  readonly agent: string;
  readonly first_ts: string;
  readonly last_ts: string;
  readonly status: string;
  readonly error_message: string | null;
}

/** An edge of the run in force. */
export interface ExportedEdge {
  readonly run_id: string;
  readonly edge: string;
  readonly from_kind: string;
  readonly from_id: string;
  readonly from_fields: readonly string[];
  readonly to_kind: string;
  readonly to_id: string;
  readonly to_fields: readonly string[];
  readonly evidence_level: string;
  readonly flags: readonly string[];
}

/**
 * START and COMPLETE of a run as a job, and START and COMPLETE or FAIL of each step of an agent in it as jobs below it.
 * The data of the end events are those of the run, and of the agent as far as edges say which agent it was. In order of
 * time. An error inside a run is no failure of it: whether it failed, nobody tells, so it is told as complete.
 */
export const openLineageEvents = (
  run: ExportedRun,
  agents: readonly ExportedAgent[],
  edges: readonly ExportedEdge[],
): readonly OpenLineageEvent[] => {
  const job = { namespace: `tachograph://${run.tenant_id}`, name: run.workflow ?? run.root_agent ?? run.service };
  const whole = pairOf({
    runId: uuidOf(run.run_id),
    job,
    jobType: 'RUN',
    from: run.first_ts,
    to: run.last_ts,
    error: null,
    facets: { tachograph_run: runFacet(run, edges) },
    edges,
  });
  const parent = {
    ...stamp('https://openlineage.io/spec/facets/1-2-0/ParentRunFacet.json'),
    run: { runId: uuidOf(run.run_id) },
    job,
  };
  const parts = agents.flatMap((agent) => {
    const own = edges.filter((edge) => isOf(edge, agent.agent));
    return pairOf({
      runId: uuidOf(agent.step_id),
      job: { namespace: job.namespace, name: `${job.name}.${agent.agent}` },
      jobType: 'AGENT',
      from: agent.first_ts,
      to: agent.last_ts,
      error: agent.status === 'error' ? (agent.error_message ?? 'not told') : null,
      facets: { parent, tachograph_run: runFacet(run, edges), tachograph_agent: agentFacet(agent, own) },
      edges: own,
    });
  });
  return [...whole, ...parts].sort((a, b) => (a.eventTime < b.eventTime ? -1 : a.eventTime > b.eventTime ? 1 : 0));
};

/** 32 hex digits as a UUID; our ids are that long. */
export const uuidOf = (hex: string): string => {
  const digits = hex
    .toLowerCase()
    .replaceAll(/[^0-9a-f]/g, '')
    .padStart(32, '0')
    .slice(0, 32);
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    '-',
  );
};

const stamp = (schema: string) => ({ _producer: OPENLINEAGE_PRODUCER, _schemaURL: schema });

interface Told {
  readonly runId: string;
  readonly job: { readonly namespace: string; readonly name: string };
  readonly jobType: string;
  readonly from: string;
  readonly to: string;
  /** null: it ended well, as far as is told. */
  readonly error: string | null;
  readonly facets: Readonly<Record<string, object>>;
  readonly edges: readonly ExportedEdge[];
}

const pairOf = (told: Told): readonly OpenLineageEvent[] => {
  const jobType = {
    ...stamp('https://openlineage.io/spec/facets/2-0-4/JobTypeJobFacet.json'),
    processingType: 'BATCH',
    integration: 'TACHOGRAPH',
    jobType: told.jobType,
  };
  const event = (eventType: OpenLineageEvent['eventType'], eventTime: string, isEnd: boolean): OpenLineageEvent => ({
    eventType,
    eventTime,
    producer: OPENLINEAGE_PRODUCER,
    schemaURL: OPENLINEAGE_SCHEMA,
    run: {
      runId: told.runId,
      facets: {
        ...told.facets,
        ...(isEnd && told.error !== null
          ? {
              errorMessage: {
                ...stamp('https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json'),
                message: told.error,
                programmingLanguage: 'unknown',
              },
            }
          : {}),
      },
    },
    job: { ...told.job, facets: { jobType } },
    inputs: isEnd ? datasetsOf(told.edges, 'reads') : [],
    outputs: isEnd ? datasetsOf(told.edges, 'writes') : [],
  });
  return [event('START', told.from, false), event(told.error === null ? 'COMPLETE' : 'FAIL', told.to, true)];
};

const isOf = (edge: ExportedEdge, agent: string): boolean =>
  (edge.from_kind === 'agent' && edge.from_id === agent) || edge.from_fields.includes(`agent=${agent}`);

/** Data sets, files and hosts that were read or written; what was only tried, and what stands for more, is left out. */
const datasetsOf = (edges: readonly ExportedEdge[], way: 'reads' | 'writes'): readonly OpenLineageDataset[] => {
  const told = edges.filter(({ edge, to_id, flags }) => edge === way && to_id !== '*' && !flags.includes('failed'));
  const byName = new Map(
    told.map((edge) => {
      const dataset = datasetOf(edge);
      return [JSON.stringify([dataset.namespace, dataset.name]), dataset] as const;
    }),
  );
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, dataset]) => dataset);
};

const datasetOf = ({ to_kind, to_id, to_fields }: ExportedEdge): OpenLineageDataset => {
  if (to_kind === 'file') return { namespace: 'file', name: to_id };
  if (to_kind === 'host') return { namespace: `https://${to_id}`, name: '/' };
  const namespace = to_fields.find((field) => field.startsWith('namespace='))?.slice('namespace='.length);
  return namespace !== undefined && to_id.startsWith(`${namespace}/`)
    ? { namespace, name: to_id.slice(namespace.length + 1) }
    : { namespace: 'unknown', name: to_id };
};

const LEVELS = ['order', 'context', 'value'];

const runFacet = (run: ExportedRun, edges: readonly ExportedEdge[]): object => {
  const levels = edges.filter(({ edge }) => edge === 'derives').map((edge) => LEVELS.indexOf(edge.evidence_level));
  return {
    ...stamp(`${FACETS}/TachographRunFacet.json`),
    tenant_id: run.tenant_id,
    run_id: run.run_id,
    session_id: run.session_id,
    service: run.service,
    steps: run.steps,
    errors: run.errors,
    calls: run.calls,
    unpriced_calls: run.unpriced_calls,
    cost_usd: run.cost_usd,
    evidence:
      levels.length === 0 ? 'unknown' : (LEVELS[levels.reduce((least, level) => Math.min(least, level))] ?? 'order'),
  };
};

const agentFacet = ({ agent, step_id }: ExportedAgent, edges: readonly ExportedEdge[]): object => {
  const idsOf = (edge: string, kind: string): readonly string[] =>
    [...new Set(edges.filter((one) => one.edge === edge && one.to_kind === kind).map(({ to_id }) => to_id))].sort();
  return {
    ...stamp(`${FACETS}/TachographAgentRunFacet.json`),
    agent,
    step_id,
    tools: idsOf('invokes', 'tool'),
    models: idsOf('uses_model', 'model'),
    on_behalf_of: idsOf('acts_for', 'user'),
  };
};
