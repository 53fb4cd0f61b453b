import { hash128 } from '../../schemas/identity.ts';
import { encodeIncidentEvent, incidentIdOf, NOTHING_SAID } from '../../schemas/incident-event.ts';
import { DEFAULT_TENANT } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';

/** What was found of a disk, and when. */
export interface DiskMoment {
  readonly dir: string;
  readonly atMs: number;
  readonly freeBytes: number;
  readonly reserveBytes: number;
}

const MIB = 1024 * 1024;

/** Mebibytes, for people. */
export const mebibytes = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`;

/** The disk fell below its reserve (`observed`) or has room again (`cleared`): one incident for one data folder. */
export const diskEvent = (kind: 'observed' | 'cleared', moment: DiskMoment): OutgoingRecord => {
  const { dir, atMs, freeBytes, reserveBytes } = moment;
  const incidentId = incidentIdOf(DEFAULT_TENANT, 'disk', [dir]);
  const title =
    kind === 'observed'
      ? `Disk nearly full: nothing is taken from senders (${mebibytes(freeBytes)} free, ${mebibytes(reserveBytes)} kept in reserve)`
      : `The disk has room again (${mebibytes(freeBytes)} free)`;
  return {
    topic: TOPICS.incidents,
    key: incidentId,
    value: encodeIncidentEvent({
      ...NOTHING_SAID,
      event_id: hash128(['disk', kind, dir, String(atMs)]),
      incident_id: incidentId,
      tenant_id: DEFAULT_TENANT,
      at_ms: Math.floor(atMs),
      kind,
      source: 'disk',
      subject: dir,
      severity: 'critical',
      title,
      comment: kind === 'cleared' ? title : null,
      detail: JSON.stringify({ dir, free_bytes: freeBytes, reserve_bytes: reserveBytes }),
    }),
  };
};
