import type { Row } from '../runtime/ports.ts';
import type { Delivery, Notice } from './incident.ts';

/** A delivery that may be tried now: the oldest of its incident for its sink. */
export interface DueDelivery {
  readonly notice: Notice;
  readonly delivery: Delivery;
  readonly baseUrl: string;
}

/** What is still to be told, of one partition, as the stored rows say it. */
export interface Outbox {
  /** Takes in a row of `incidents`: the newest version of an incident counts, whatever order they come in. */
  readonly take: (row: Row) => void;
  readonly unrouted: () => readonly Notice[];
  /** For each incident and sink the oldest pending delivery: an older one goes first, or is given up first. */
  readonly heads: () => readonly DueDelivery[];
  /** Deliveries and unrouted notices in all. */
  readonly size: () => number;
  /** Called before the table is read: what was settled until now cannot come back with that reading. */
  readonly beginReading: () => void;
  /** Whether incidents were left out since the last reading for want of room; they are in the table and can be read again. */
  readonly isFull: () => boolean;
}

/** Incidents with something to tell that are held in memory; a notice has a few KB. The others wait in the table. */
export const INCIDENTS_HELD_MAX = 5_000;

interface Held {
  readonly version: bigint;
  readonly notices: readonly Notice[];
}

/** An empty outbox. */
export const createOutbox = (): Outbox => {
  const incidents = new Map<string, Held>();
  // A row that was read while its incident was being settled is old news.
  const settled = new Map<string, bigint>();
  let isFull = false;
  return {
    take: (row) => {
      const id = String(row['incident_id']);
      const version = BigInt(String(row['version']));
      const held = incidents.get(id);
      if ((held?.version ?? -1n) >= version || (settled.get(id) ?? -1n) >= version) return;
      const notices = JSON.parse(String(row['notices'])) as readonly Notice[];
      if (notices.length === 0) {
        incidents.delete(id);
        settled.set(id, version);
        return;
      }
      if (held !== undefined || incidents.size < INCIDENTS_HELD_MAX) incidents.set(id, { version, notices });
      else isFull = true;
    },
    unrouted: () => [...incidents.values()].flatMap(({ notices }) => notices.filter(({ routed }) => routed === null)),
    heads: () => [...incidents.values()].flatMap(({ notices }) => headsOf(notices)),
    size: () => [...incidents.values()].reduce((sum, { notices }) => sum + sizeOf(notices), 0),
    beginReading: () => {
      settled.clear();
      isFull = false;
    },
    isFull: () => isFull,
  };
};

const headsOf = (notices: readonly Notice[]): readonly DueDelivery[] => {
  const heads = new Map<string, DueDelivery>();
  for (const notice of notices) {
    // Where it goes is not known yet, so nothing later may overtake it.
    if (notice.routed === null) break;
    for (const delivery of notice.routed.deliveries)
      if (delivery.state === 'pending' && !heads.has(delivery.sink))
        heads.set(delivery.sink, { notice, delivery, baseUrl: notice.routed.base_url });
  }
  return [...heads.values()];
};

const sizeOf = (notices: readonly Notice[]): number =>
  notices.reduce(
    (sum, { routed }) =>
      sum + (routed === null ? 1 : routed.deliveries.filter(({ state }) => state === 'pending').length),
    0,
  );
