import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownProcessMark } from './process-mark.ts';
import { createGroupWriter } from './sqlite-groups.ts';
import { openDatabase } from './sqlite-schema.ts';
import { createLogWriter } from './sqlite-writer.ts';

let folder = '';
let db: ReturnType<typeof openDatabase>;
const mark = ownProcessMark();
const GROUP = 'tacho-ledger';

const syncAs = (memberId: string, nowMs: number, process = mark) =>
  createGroupWriter(db).sync({ group: GROUP, memberId, topics: ['agent_steps'], process, claim: true, nowMs }).view;
const firstOf = (memberId: string, nowMs: number) => {
  const view = syncAs(memberId, nowMs);
  const owned = view.kind === 'member' ? view.owned[0] : undefined;
  if (owned === undefined) throw new Error('nothing is owned');
  return { group: GROUP, memberId, ...owned };
};
const commit = (claim: ReturnType<typeof firstOf>, offset: number) =>
  createGroupWriter(db).commit({ claim, commit: { offset, metadata: '' } });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tacho-groups-'));
  db = openDatabase(join(folder, 'log.db'), 'writer');
  const spec = { topic: 'agent_steps', partitions: 1, retentionMs: 1_000, recordBytesMax: 1_000 };
  createLogWriter(db, null).ensure({ specs: [spec], logIds: ['one'] });
});
afterEach(() => {
  db.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the transaction itself fences, whatever the member believes', () => {
  test('a member whose lease ended commits nothing any more, once another one owns the partition', () => {
    const old = firstOf('old', 0);
    commit(old, 1);
    const heir = firstOf('heir', 60_000);
    expect(() => commit(old, 2)).toThrow(expect.objectContaining({ code: 'FENCED' }));
    commit(heir, 3);
    expect(db.prepare('SELECT offset FROM commits').all()).toEqual([expect.objectContaining({ offset: 3 })]);
  });

  test('neither another member with the right epoch nor the right member with another epoch commits', () => {
    const own = firstOf('own', 0);
    expect(() => commit({ ...own, memberId: 'other' }, 1)).toThrow(expect.objectContaining({ code: 'FENCED' }));
    expect(() => commit({ ...own, epoch: own.epoch - 1 }, 1)).toThrow(expect.objectContaining({ code: 'FENCED' }));
    expect(() => commit({ ...own, partition: 1 }, 1)).toThrow(expect.objectContaining({ code: 'FENCED' }));
  });

  test('a live lease is left alone; one of a dead process on this host is not', () => {
    firstOf('own', 0);
    expect(syncAs('other', 10)).toEqual({ kind: 'member', owned: [] });
    createGroupWriter(db).leave({ group: GROUP, memberId: 'own' });
    createGroupWriter(db).leave({ group: GROUP, memberId: 'other' });
    // The same pid, started at another time: the pid was reused.
    syncAs('ghost', 20, { ...mark, started: '1' });
    expect(firstOf('heir', 30).memberId).toBe('heir');
    createGroupWriter(db).leave({ group: GROUP, memberId: 'heir' });
    // Another host: only its lease can tell.
    syncAs('far', 40, { ...mark, host: 'another host', started: '1' });
    expect(syncAs('near', 50)).toEqual({ kind: 'member', owned: [] });
    expect(firstOf('near', 60_000).memberId).toBe('near');
  });
});
