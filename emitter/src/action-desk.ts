import type { Outcome } from '../../schemas/outcome.ts';
import { type AgentAction, actionRecord, underSchemaId } from './action-record.ts';
import type { Delivery, DeliveryStats } from './delivery.ts';
import type { OutboundRecord } from './outbound.ts';
import { say } from './say.ts';
import { registeredSchemaId } from './schema-registry.ts';
import type { Settings } from './settings.ts';
import { within } from './world.ts';

/** Hands action events over to the delivery. */
export interface ActionDesk {
  /** Never throws, never waits. */
  readonly emit: (action: AgentAction) => Outcome<null>;
  /** Counted here and not yet, or never, by the delivery. */
  readonly stats: () => Pick<DeliveryStats, 'offered' | 'waiting' | 'droppedFull' | 'droppedShutdown'>;
  /** Resolves true once nothing waits here, false after `timeoutMs`. */
  readonly flush: (timeoutMs: number) => Promise<boolean>;
  /** What still waits after `timeoutMs` is dropped and counted. */
  readonly close: (timeoutMs: number) => Promise<void>;
}

/**
 * Without a registry every event goes on at once. With one, events wait here, in memory and as many as the queue's limit,
 * until it has told the schema's id: under a made-up one other readers would take them for something else. It is asked
 * once a process; what comes later waits for nobody. Spans and logs never wait for it.
 */
export const createActionDesk = (settings: Settings, delivery: Delivery): ActionDesk => {
  const { schemaRegistry, topics, queueRecordsMax } = settings;
  const closing = new AbortController();
  let schemaId = settings.actionSchemaId;
  let held: OutboundRecord[] | null = schemaRegistry === null ? null : [];
  let [full, lost] = [0, 0];

  const answered =
    schemaRegistry === null
      ? Promise.resolve()
      : registeredSchemaId(schemaRegistry, topics.actions, closing.signal).then((id) => {
          if (id === null) return;
          schemaId = id;
          const records = held ?? [];
          held = null;
          void delivery.offer(records.map((record) => underSchemaId(record, id)));
        });

  return {
    emit: (action) => {
      const record = actionRecord(action, settings);
      if (record.kind === 'refused') {
        delivery.refuse(1);
        say('error', `an action event cannot be so: ${record.detail}`);
        return record;
      }
      if (held === null) void delivery.offer([underSchemaId(record.value, schemaId)]);
      else if (closing.signal.aborted) lost += 1;
      else if (held.length >= queueRecordsMax) full += 1;
      else held.push(record.value);
      return { kind: 'ok', value: null };
    },
    stats: () => {
      const waiting = held?.length ?? 0;
      return { offered: waiting + full + lost, waiting, droppedFull: full, droppedShutdown: lost };
    },
    flush: async (timeoutMs) => held === null || held.length === 0 || within(timeoutMs, answered, true),
    close: async (timeoutMs) => {
      if (held !== null && held.length > 0) await within(timeoutMs, answered, true);
      closing.abort();
      if (held === null) return;
      if (held.length > 0) say('warn', `shut down with ${held.length} action events that no schema id came for`);
      lost += held.length;
      held = [];
    },
  };
};
