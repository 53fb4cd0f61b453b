import { hash128 } from '../../schemas/identity.ts';
import { encodeIncidentEvent, type IncidentEvent, incidentIdOf, NOTHING_SAID } from '../../schemas/incident-event.ts';
import { DEFAULT_TENANT } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';
import { problemText, type RuleProblem } from './problem.ts';
import { clip } from './template.ts';

/** Where a rule set stands, and when it was changed. */
export interface RuleSetMoment {
  readonly dir: string;
  readonly atMs: number;
  readonly changedAtMs: number;
}

const TITLE_CHARS_MAX = 300;
/** The rest is in `tacho policy check`. */
const PROBLEMS_TOLD_MAX = 50;

/**
 * A refused set is an incident of its own. The event id is made of what was refused and when it was written, so restarts
 * tell one event, and the same mistake made again later is told again.
 */
export const refusedEvent = (
  { dir, atMs, changedAtMs }: RuleSetMoment,
  refusal: string,
  problems: readonly RuleProblem[],
  inForce: string | null,
): OutgoingRecord => {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  const what = first === undefined ? 'no reason told' : problemText(first);
  return recordOf({
    ...frame(dir, atMs),
    event_id: hash128(['ruleset refused', dir, refusal, String(changedAtMs)]),
    kind: 'observed',
    title: clip(`Rule set refused: ${what}${more}`, TITLE_CHARS_MAX),
    detail: JSON.stringify({
      dir,
      in_force: inForce,
      problems: problems.slice(0, PROBLEMS_TOLD_MAX).map(problemText),
      problems_total: problems.length,
    }),
  });
};

/** The folder holds a sound set again. */
export const clearedEvent = ({ dir, atMs, changedAtMs }: RuleSetMoment, hash: string): OutgoingRecord =>
  recordOf({
    ...frame(dir, atMs),
    event_id: hash128(['ruleset cleared', dir, hash, String(changedAtMs)]),
    kind: 'cleared',
    title: `Rule set ${hash.slice(0, 8)} is in force`,
    // What a sink tells of the end: the incident itself keeps the title it was opened with.
    comment: `Rule set ${hash.slice(0, 8)} is in force`,
    detail: JSON.stringify({ dir, in_force: hash }),
  });

const frame = (dir: string, atMs: number) => ({
  incident_id: incidentIdOf(DEFAULT_TENANT, 'ruleset', [dir]),
  tenant_id: DEFAULT_TENANT,
  at_ms: atMs,
  source: 'ruleset' as const,
  subject: dir,
  severity: 'high' as const,
});

const recordOf = (
  said: Pick<IncidentEvent, 'event_id' | 'kind' | 'title' | 'detail'> &
    Partial<Pick<IncidentEvent, 'comment'>> &
    ReturnType<typeof frame>,
): OutgoingRecord => ({
  topic: TOPICS.incidents,
  key: said.incident_id,
  value: encodeIncidentEvent({
    ...NOTHING_SAID,
    ...said,
  }),
});
