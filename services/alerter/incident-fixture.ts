import { INCIDENT_EVENT_KINDS, type IncidentEvent } from '../../schemas/incident-event.ts';
import type { Row } from '../runtime/ports.ts';
import type { FoldContext } from '../runtime/stream/fold-task.ts';
import { incidentFold, stepIncident } from './fold.ts';
import { emptyMemory, type IncidentMemory } from './incident.ts';

/** The kinds people and watchers write; those of the sender are made by it. */
export const TOLD_KINDS = INCIDENT_EVENT_KINDS.slice(0, 6);

/** An observation of one violation incident; `over` replaces fields. */
export const eventOf = (over: Partial<IncidentEvent> = {}): IncidentEvent => ({
  event_id: 'event-1',
  incident_id: 'incident-1',
  tenant_id: 'acme',
  at_ms: 1_795_000_000_000,
  kind: 'observed',
  source: 'violation',
  subject: 'egress.host-not-allowed',
  severity: 'medium',
  title: 'Egress to evil.example',
  actor: null,
  comment: null,
  level: null,
  silenced_until_ms: null,
  service: 'bot',
  agent_name: 'refunds',
  workflow: null,
  run_id: 'run-1',
  sink: null,
  detail: '{}',
  ...over,
});

/** The context of the n-th batch. */
export const contextOf = (n: number): FoldContext => ({
  batchId: `batch-${n}`,
  loggedAtMs: 1_795_000_000_000 + n * 1000,
  version: BigInt(n),
  variant: '',
});

/** Steps one batch after the other, the memory through its text each time; gives it and every row by table. */
export const foldBatches = (
  batches: readonly (readonly IncidentEvent[])[],
  from: IncidentMemory = emptyMemory('incident-1'),
): { readonly memory: IncidentMemory; readonly rows: Readonly<Record<string, readonly Row[]>> } => {
  let memory = from;
  const rows: Record<string, Row[]> = {};
  for (const [at, events] of batches.entries()) {
    const stepped = stepIncident(memory, events, contextOf(at + 1));
    const text = incidentFold.serialise(stepped.state);
    memory = incidentFold.parse(text);
    if (incidentFold.serialise(memory) !== text) throw new Error('a memory does not read back from its text');
    for (const { table, rows: some } of stepped.tables) rows[table] = [...(rows[table] ?? []), ...some];
  }
  return { memory, rows };
};

/** What became of each recorded event. */
export const transitionsIn = (rows: Readonly<Record<string, readonly Row[]>>): readonly unknown[] =>
  (rows['incident_events'] ?? []).map((row) => row['transition']);
