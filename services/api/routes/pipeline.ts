import { z } from 'zod';
import { TOPICS } from '../../../schemas/topics.ts';
import { auditAnswer, auditShape } from '../audit-answer.ts';
import type { ApiContext } from '../deps.ts';
import { problem } from '../problem.ts';
import { type AuditRow, newestAuditQuery } from '../queries/audit.ts';
import {
  type CoverRow,
  confirmedEndsQuery,
  coverQuery,
  type DeadLetterRow,
  deadLettersQuery,
  type ManifestRow,
  manifestQuery,
} from '../queries/pipeline.ts';
import { read } from '../reads.ts';
import { tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { momentInput, rangeOf, tenantInput } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { rangeShape } from './shapes.ts';

/** Services that fold `agent_steps` into what the API answers from. One more fold is one more name here. */
const FOLDS = ['ledger', 'lineage', 'policy'] as const;
const WRITER = 'normalizer';
const LEDGER = 'ledger';
/** Positions one question may name: one request of a sender makes far fewer records. */
const POSITIONS_MAX = 1000;

const getPipeline = defineRoute({
  method: 'GET',
  path: '/pipeline',
  summary:
    'Services of this process with their lag, the manifest of all, refused records by service and reason, the newest audit.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    tenant: tenantInput,
    from: momentInput('Manifest and dead letters since this moment; default: 24 hours before `to`.'),
    to: momentInput('Default: now.'),
  }),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    services: z.array(z.looseObject({ service: z.string(), state: z.string(), detail: z.string() })),
    manifest: z.array(z.looseObject({ service: z.string(), topic: z.string(), partition: z.number() })),
    dead_letters: z.array(
      z.looseObject({ service: z.string(), topic: z.string(), reason: z.string(), dead_letters: z.number() }),
    ),
    audit: auditShape,
  }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    const [manifest, deadLetters, audit] = await Promise.all([
      read<ManifestRow>(context, manifestQuery(range)),
      read<DeadLetterRow>(context, deadLettersQuery({ tenant: tenantScope(caller, query.tenant), range })),
      read<AuditRow>(context, newestAuditQuery()),
    ]);
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      services: context.pipeline().services.map((service) => ({ ...service, partitions: [...service.partitions] })),
      manifest: manifest.map((row) => ({ ...row })),
      dead_letters: deadLetters.map((row) => ({ ...row })),
      audit: auditAnswer(audit, caller),
    };
  },
});

export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** `topic/partition/offset`, comma-separated, as `x-tacho-position` gives it; null when any part is not one. */
export const parsePositions = (text: string): readonly Position[] | null => {
  const parts = text.split(',').map((part) => /^([A-Za-z0-9._-]{1,249})\/(\d{1,9})\/(\d{1,15})$/.exec(part.trim()));
  const positions = parts.flatMap((found) =>
    found ? [{ topic: found[1] ?? '', partition: Number(found[2]), offset: Number(found[3]) }] : [],
  );
  return positions.length === parts.length ? positions : null;
};

/** Where the steps of a position end in `agent_steps`, by partition; null: not written yet. */
const producedEnds = async (
  context: ApiContext,
  logId: string,
  position: Position,
  service = WRITER,
): Promise<ReadonlyMap<number, number> | null> => {
  const batches = await read<CoverRow>(context, coverQuery({ ...position, service, logId }));
  const covering = batches[0];
  if (covering === undefined || covering.end <= position.offset) return null;
  const ends = new Map<number, number>();
  for (const [target, end] of batches.flatMap((batch) => Object.entries(batch.produced))) {
    const [topic, partition] = target.split('/');
    if (topic !== TOPICS.steps) continue;
    ends.set(Number(partition), Math.max(ends.get(Number(partition)) ?? 0, Number(end)));
  }
  return ends;
};

const isFolded = async (context: ApiContext, service: string, ends: ReadonlyMap<number, number>): Promise<boolean> => {
  if (ends.size === 0) return true;
  const logId = await context.log.logId(TOPICS.steps);
  const rows = await read<{ partition: number; end: number }>(
    context,
    confirmedEndsQuery({ service, logId, topic: TOPICS.steps }),
  );
  const confirmed = new Map(rows.map((row) => [row.partition, row.end]));
  return [...ends].every(([partition, end]) => (confirmed.get(partition) ?? 0) >= end);
};

/** What the ledger tells itself of a step, and what it then finds, comes back to it through the same topic. */
const OWN_ROUNDS = 2;

/** Whether the ledger has also read what it told itself of these steps: a call that two runs describe is booked once. */
const hasHeardItself = async (context: ApiContext, ends: ReadonlyMap<number, number>): Promise<boolean> => {
  const logId = await context.log.logId(TOPICS.steps);
  let told = ends;
  for (let round = 0; round < OWN_ROUNDS && told.size > 0; round += 1) {
    const found = await Promise.all(
      [...told].map(([partition, end]) =>
        producedEnds(context, logId, { topic: TOPICS.steps, partition, offset: end - 1 }, LEDGER),
      ),
    );
    told = latestEnds(found);
    if (!(await isFolded(context, LEDGER, told))) return false;
  }
  return true;
};

const latestEnds = (found: readonly (ReadonlyMap<number, number> | null)[]): ReadonlyMap<number, number> => {
  const ends = new Map<number, number>();
  for (const [partition, end] of found.flatMap((map) => [...(map ?? [])]))
    ends.set(partition, Math.max(ends.get(partition) ?? 0, end));
  return ends;
};

/** Has everything up to these positions been stored, and folded? Per service, and together. */
export const passed = async (
  context: ApiContext,
  positions: readonly Position[],
): Promise<{ readonly passed: boolean; readonly services: Readonly<Record<string, boolean>> }> => {
  const logIds = new Map<string, string>();
  for (const topic of new Set(positions.map((position) => position.topic))) {
    logIds.set(topic, await context.log.logId(topic));
  }
  const found = await Promise.all(
    latestOf(positions).map((position) => producedEnds(context, logIds.get(position.topic) ?? '', position)),
  );
  const isWritten = found.every((ends) => ends !== null);
  const ends = latestEnds(found);
  const services: Record<string, boolean> = { [WRITER]: isWritten };
  for (const fold of FOLDS) services[fold] = isWritten && (await isFolded(context, fold, ends));
  if (services[LEDGER]) services[LEDGER] = await hasHeardItself(context, ends);
  return { passed: Object.values(services).every((value) => value), services };
};

/** The highest offset of each partition: batches are confirmed in order, so it stands for the ones before it. */
const latestOf = (positions: readonly Position[]): readonly Position[] => {
  const latest = new Map<string, Position>();
  for (const position of positions) {
    const key = `${position.topic}/${position.partition}`;
    const known = latest.get(key);
    if (known === undefined || known.offset < position.offset) latest.set(key, position);
  }
  return [...latest.values()];
};

const SOURCES: readonly string[] = [TOPICS.spans, TOPICS.logs, TOPICS.actions];

const getPassed = defineRoute({
  method: 'GET',
  path: '/pipeline/passed',
  summary: 'Is what the receiver answered as x-tacho-position queryable and booked yet?',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    position: z.string().min(1).max(65_536).describe('topic/partition/offset, comma-separated.'),
    tenant: tenantInput,
  }),
  body: noBody,
  answer: z.object({ passed: z.boolean(), services: z.record(z.string(), z.boolean()) }),
  run: async ({ query }, context) => {
    const positions = parsePositions(query.position);
    if (positions === null || positions.length > POSITIONS_MAX) {
      throw problem(400, `position: comma-separated topic/partition/offset, at most ${POSITIONS_MAX}`, {
        parameter: 'position',
      });
    }
    const foreign = positions.find((position) => !SOURCES.includes(position.topic));
    if (foreign !== undefined) {
      throw problem(400, `position: topic ${foreign.topic} is not one of ${SOURCES.join(', ')}`, {
        parameter: 'position',
      });
    }
    return passed(context, positions);
  },
});

export const pipelineRoutes: readonly Route[] = [getPipeline, getPassed];
