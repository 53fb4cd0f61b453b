import type { DatabaseSync } from 'node:sqlite';
import { TransportError } from '../errors.ts';
import {
  EMPTY_GROUP,
  type GroupMember,
  type GroupState,
  leaveGroup,
  ownsPartition,
  type ProcessMark,
  releasePartition,
  syncGroup,
} from './group-state.ts';
import { LEASE_MS } from './member.ts';
import { isProcessDead } from './process-mark.ts';
import type { Operations } from './sqlite-protocol.ts';
import { numberOf, textOf } from './sqlite-reader.ts';

type GroupKind = 'sync' | 'release' | 'leave' | 'commit';

/** Group operations within the transaction the caller holds. */
export type GroupWriter = {
  readonly [Kind in GroupKind]: (ask: Operations[Kind]['ask']) => Operations[Kind]['answer'];
};

/** Written by `save` alone, so its shape is known; the text is compared first, so parsing happens once a change. */
const parseState = (json: string): GroupState => JSON.parse(json);

/** Builds the group operations over an open database. */
export const createGroupWriter = (db: DatabaseSync): GroupWriter => {
  const select = db.prepare('SELECT state FROM groups WHERE name = ?');
  const upsert = db.prepare(
    'INSERT INTO groups VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version, state = excluded.state',
  );
  const partitions = db.prepare('SELECT partitions FROM topics WHERE topic = ?');
  const commitOffset = db.prepare(
    `INSERT INTO commits SELECT ?, topic_id, ?, ?, ? FROM topics WHERE topic = ?
     ON CONFLICT (group_name, topic_id, partition) DO UPDATE SET offset = excluded.offset, metadata = excluded.metadata`,
  );
  const parsed = new Map<string, { readonly json: string; readonly state: GroupState }>();
  const load = (group: string): GroupState => {
    const row = select.get(group);
    if (row === undefined) return EMPTY_GROUP;
    const json = textOf(row, 'state');
    const known = parsed.get(group);
    if (known?.json === json) return known.state;
    const state = parseState(json);
    parsed.set(group, { json, state });
    return state;
  };
  const save = (group: string, before: GroupState, after: GroupState): number => {
    if (after !== before) upsert.run(group, after.version, JSON.stringify(after));
    return after.version;
  };
  const partitionsOf = (topic: string): number => numberOf(partitions.get(topic), 'partitions');
  const isDeadAt =
    (nowMs: number, own: ProcessMark) =>
    (member: GroupMember): boolean =>
      member.leaseUntilMs < nowMs || (member.process !== null && isProcessDead(member.process, own));
  return {
    sync: ({ group, memberId, topics, process, claim, nowMs }) => {
      const before = load(group);
      const join = topics && { topics, process };
      const request = { memberId, join, claim, leaseUntilMs: nowMs + LEASE_MS };
      const { state, view } = syncGroup(before, request, { partitionsOf, isDead: isDeadAt(nowMs, process) });
      return { view, version: save(group, before, state) };
    },
    release: (claim) => {
      const before = load(claim.group);
      return save(claim.group, before, releasePartition(before, claim.memberId, claim));
    },
    leave: ({ group, memberId }) => {
      const before = load(group);
      return save(group, before, leaveGroup(before, new Set([memberId]), partitionsOf));
    },
    // Check and commit stand in one transaction: a claim that died before it can never move the offset.
    commit: ({ claim, commit }) => {
      if (!ownsPartition(load(claim.group), claim.memberId, claim)) {
        throw new TransportError('FENCED', 'commit of a dead epoch', { retryable: false });
      }
      commitOffset.run(claim.group, claim.partition, commit.offset, commit.metadata, claim.topic);
      return null;
    },
  };
};
