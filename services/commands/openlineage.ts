import {
  type ExportedAgent,
  type ExportedEdge,
  type ExportedRun,
  type OpenLineageEvent,
  openLineageEvents,
} from '../../schemas/openlineage-event.ts';
import type { Store } from '../runtime/ports.ts';
import { openTarget } from './openlineage-targets.ts';
import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** Runs asked for at once: with their edges some megabytes. */
const RUNS_PER_QUERY = 100;
const SETTINGS = `SETTINGS date_time_output_format = 'iso', output_format_json_quote_decimals = 1, output_format_json_quote_64bit_integers = 0`;

export interface OpenLineageOptions {
  /** Runs that ended in [fromMs, toMs). */
  readonly fromMs: number;
  readonly toMs: number;
  /** A file, an HTTP endpoint that takes one event a request, or `kafka:TOPIC`. */
  readonly out: string;
  readonly tenant: string | null;
}

/** Writes the run events of every run that ended in a range to a file, an endpoint or a topic. Resolves to the exit code. */
export const exportOpenLineage = async (world: World, options: OpenLineageOptions): Promise<number> => {
  return withStoredData(world, async (opened) => {
    let events = 0;
    const target = await openTarget(world, options.out);
    try {
      for await (const event of eventsOf(opened.store, options)) {
        await target.write(event);
        events += 1;
      }
    } catch (error) {
      await target.abandon();
      throw error;
    }
    await target.close();
    world.print(`${events.toLocaleString('en-US')} events to ${options.out}`);
    return 0;
  });
};

/** Every event of every run, runs in the order they ended. */
export async function* eventsOf(
  store: Store,
  { fromMs, toMs, tenant }: Pick<OpenLineageOptions, 'fromMs' | 'toMs' | 'tenant'>,
): AsyncGenerator<OpenLineageEvent> {
  const params = { from: fromMs, to: toMs, tenant: tenant ?? '' };
  let [lastTs, lastId] = ['', ''];
  for (;;) {
    const runs: readonly (ExportedRun & { readonly ended: string })[] = await store.query(runsSql, {
      ...params,
      last_ts: lastTs,
      last_id: lastId,
    });
    const last = runs.at(-1);
    if (last === undefined) return;
    const ids = {
      tenants: [...new Set(runs.map(({ tenant_id }) => tenant_id))],
      ids: runs.map(({ run_id }) => run_id),
    };
    const edges = await store.query<ExportedEdge & { readonly tenant_id: string }>(edgesSql, ids);
    const agents = await store.query<ExportedAgent & { readonly tenant_id: string }>(agentsSql, ids);
    const keyOf = (row: { readonly tenant_id: string; readonly run_id: string }) => `${row.tenant_id}|${row.run_id}`;
    const [edgesBy, agentsBy] = [Map.groupBy(edges, keyOf), Map.groupBy(agents, keyOf)];
    for (const run of runs)
      yield* openLineageEvents(run, agentsBy.get(keyOf(run)) ?? [], edgesBy.get(keyOf(run)) ?? []);
    [lastTs, lastId] = [last.ended, last.run_id];
  }
}

const runsSql = `SELECT tenant_id, run_id, first_ts, last_ts, toString(toUnixTimestamp64Micro(last_ts)) AS ended, name, root_agent, workflow,
  session_id, service, steps, errors, calls, unpriced_calls, cost_usd
FROM runs FINAL
WHERE last_ts >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND last_ts < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
  AND ({tenant:String} = '' OR tenant_id = {tenant:String})
  AND ({last_ts:String} = '' OR (toUnixTimestamp64Micro(last_ts), run_id) > (toInt64OrZero({last_ts:String}), {last_id:String}))
ORDER BY toUnixTimestamp64Micro(last_ts), run_id
LIMIT ${RUNS_PER_QUERY}
${SETTINGS}`;

const edgesSql = `SELECT tenant_id, run_id, edge, from_kind, from_id, from_fields, to_kind, to_id, to_fields, evidence_level, flags
FROM lineage_edges
WHERE tenant_id IN {tenants:Array(String)} AND run_id IN {ids:Array(String)}
GROUP BY tenant_id, run_id, edge, from_kind, from_id, from_fields, to_kind, to_id, to_fields, evidence_level, flags
HAVING sum(weight) > 0
ORDER BY tenant_id, run_id, edge, from_kind, from_id, to_kind, to_id
${SETTINGS}`;

const agentsSql = `SELECT tenant_id, run_id, step_id, assumeNotNull(agent_name) AS agent, min(ts) AS first_ts,
  max(addNanoseconds(ts, duration_ns)) AS last_ts, any(status) AS status, any(error_message) AS error_message
FROM spans
WHERE tenant_id IN {tenants:Array(String)} AND run_id IN {ids:Array(String)}
  AND step_kind = 'agent' AND signal = 'span' AND agent_name IS NOT NULL
GROUP BY tenant_id, run_id, step_id, agent_name
ORDER BY first_ts, step_id
${SETTINGS}`;
