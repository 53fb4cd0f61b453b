import type { Clock, Logger, LogRecord, Random } from '../ports.ts';
import type { LogBackend } from './backend.ts';
import { ownProcessMark } from './process-mark.ts';
import type { TopicCache } from './sqlite-append.ts';
import type { WorkerLink } from './sqlite-link.ts';
import { type PackedRecords, unpackRecords } from './sqlite-pack.ts';
import { createListeners } from './waker.ts';

/** The group engine's view of the file, and what tells it of changes. */
export interface SqliteBackend extends LogBackend {
  /** A partition's end was heard of. */
  readonly grown: (topic: string, partition: number, end: number) => void;
  /** A group's version was heard of. */
  readonly groupChanged: (group: string, version: number) => void;
}

const parseHeaders = (headers: Uint8Array | null): Readonly<Record<string, string>> =>
  headers === null ? {} : JSON.parse(Buffer.from(headers.buffer, headers.byteOffset, headers.length).toString('utf8'));

const recordsOf = (packed: PackedRecords): readonly LogRecord[] =>
  unpackRecords(packed).map(({ a, b, key, headers, value }) => ({
    ...{ offset: a, timestampMs: b, key, value },
    headers: parseHeaders(headers),
  }));

const EMPTY_SLICE = { records: [], bytes: 0, isCut: false, logStart: 0, logEnd: 0 };

/** Builds the backend over both workers. */
export const createSqliteBackend = (ports: {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly writer: WorkerLink;
  readonly reader: WorkerLink;
  readonly topics: TopicCache;
}): SqliteBackend => {
  const { clock, random, logger, writer, reader, topics } = ports;
  const mark = ownProcessMark();
  const ends = new Map<string, number>();
  const versions = new Map<string, number>();
  const growth = createListeners();
  const groupChanges = createListeners();
  const grown: SqliteBackend['grown'] = (topic, partition, end) => {
    const key = `${partition}/${topic}`;
    if ((ends.get(key) ?? 0) >= end) return;
    ends.set(key, end);
    growth.call(key);
  };
  const groupChanged: SqliteBackend['groupChanged'] = (group, version) => {
    if ((versions.get(group) ?? 0) >= version) return;
    versions.set(group, version);
    groupChanges.call(group);
  };
  return {
    ...{ clock, logger, grown, groupChanged },
    newMemberId: random.uuid,
    sync: async (group, memberId, subscribed, claim) => {
      const nowMs = Math.floor(clock.nowMs());
      const ask = { group, memberId, topics: subscribed, process: mark, claim, nowMs };
      const { view, version } = await writer.ask('sync', ask);
      groupChanged(group, version);
      return view;
    },
    release: async (claim) => groupChanged(claim.group, await writer.ask('release', claim)),
    leave: async (group, memberId) => groupChanged(group, await writer.ask('leave', { group, memberId })),
    commit: async (claim, commit) => {
      await writer.ask('commit', { claim, commit });
    },
    facts: async (group, topic, partition) => {
      const facts = await reader.ask('facts', { group, topic, partition });
      grown(topic, partition, facts.logEnd);
      return facts;
    },
    read: async (topic, partition, offset, limits) => {
      if (!topics.known.has(topic)) await topics.refresh();
      const found = topics.known.get(topic);
      if (found === undefined) return EMPTY_SLICE;
      const answer = await reader.ask('read', { topicId: found.topicId, partition, offset, ...limits });
      grown(topic, partition, answer.logEnd);
      return { ...answer, records: recordsOf(answer.records) };
    },
    endKnown: (topic, partition) => ends.get(`${partition}/${topic}`) ?? 0,
    onGrowth: (topic, partition, wake) => growth.add(`${partition}/${topic}`, wake),
    onGroupChange: groupChanges.add,
  };
};
