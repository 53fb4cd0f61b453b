import { type AgentStep, BLANK_STEP } from '../../schemas/agent-step.ts';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { ONLY_FOR_HEADER, TOPICS } from '../../schemas/topics.ts';
import type { OutgoingRecord } from '../runtime/ports.ts';
import { type Evidence, evidenceOf, isLeaf, type LeafEvidence } from './evidence.ts';

/**
 * What the ledger tells itself of calls that two runs describe: steps of its own in `agent_steps`, under a header by
 * which other folds pass over them. Nobody outside can make one: the normalizer alone decides families and flags.
 */
const OWN_FAMILY = 'tachograph';
const OWN_FLAGS = { claim: 'tacho.claim', elsewhere: 'tacho.elsewhere', adopted: 'tacho.adopted' } as const;
export type OwnKind = keyof typeof OWN_FLAGS;

/** The run, the step of it and the family an account of a call comes from. */
export const ACCOUNT_FACTS = { run: 'call.run', step: 'call.step', family: 'call.family' } as const;

/** null: an ordinary step. */
export const ownKindOf = (step: AgentStep): OwnKind | null => {
  if (step.family !== OWN_FAMILY) return null;
  const kinds: readonly OwnKind[] = ['claim', 'elsewhere', 'adopted'];
  return kinds.find((kind) => step.flags.includes(OWN_FLAGS[kind])) ?? null;
};

/** The fold's key of a step: its run, or the claims it belongs to. No run has `#` in its name. */
export const keyOfStep = (step: AgentStep): string =>
  `${step.tenant_id}|${ownKindOf(step) === 'claim' ? '#' : ''}${step.run_id}`;

/** A step of that kind as a record to the ledger itself. */
export const ownRecord = (kind: OwnKind, step: AgentStep): OutgoingRecord =>
  recordToLedger({ ...step, family: OWN_FAMILY, flags: [OWN_FLAGS[kind]] });

/** A step that is meant for the ledger alone. */
export const recordToLedger = (step: AgentStep): OutgoingRecord => ({
  topic: TOPICS.steps,
  key: keyOfStep(step),
  value: encodeAgentStep(step),
  headers: { [ONLY_FOR_HEADER]: 'ledger' },
});

/** `lost` tells of a call that a step of another run has in its place. Told to both: one gives it up, one takes it in. */
export const findingOf = (lost: AgentStep, placed: AgentStep): readonly OutgoingRecord[] => {
  const lostRun = lost.facts[ACCOUNT_FACTS.run] ?? '';
  const placedRun = placed.facts[ACCOUNT_FACTS.run] ?? '';
  const { tenant_id, step_id, start_unix_micros, end_unix_micros, logged_at_ms } = lost;
  const who = { ...BLANK_STEP, tenant_id, step_id, start_unix_micros, end_unix_micros, logged_at_ms };
  return [
    ownRecord('elsewhere', { ...who, run_id: lostRun, facts: { [ACCOUNT_FACTS.run]: placedRun } }),
    ownRecord('adopted', {
      ...lost,
      run_id: placedRun,
      facts: { ...lost.facts, [ACCOUNT_FACTS.step]: placed.step_id },
    }),
  ];
};

/** What a run was told of itself by such steps. Grows only. */
export interface Findings {
  /** `step_id|run_id`: steps whose call that run has in its place. */
  readonly elsewhere: ReadonlySet<string>;
  /** `step_id|lost step_id`: what a step without a place tells of the call of a step here. */
  readonly adopted: ReadonlyMap<string, LeafEvidence>;
}

export const NO_FINDINGS: Findings = { elsewhere: new Set(), adopted: new Map() };

/** Findings kept of one run, of each kind: a run of lost spans has one. */
const FINDINGS_MAX = 10_000;

/** Takes the ledger's own steps in; gives the runs that are now known to have a call of this one. */
export const addFindings = (
  known: Findings,
  own: readonly AgentStep[],
): { readonly findings: Findings; readonly runs: readonly string[] } => {
  if (own.length === 0) return { findings: known, runs: [] };
  const elsewhere = new Set(known.elsewhere);
  const adopted = new Map(known.adopted);
  const runs = new Set<string>();
  for (const step of own) {
    const [run, of] = [step.facts[ACCOUNT_FACTS.run] ?? '', step.facts[ACCOUNT_FACTS.step] ?? ''];
    if (ownKindOf(step) === 'adopted') {
      const evidence = adoptedEvidence(step);
      if (evidence !== null && adopted.size < FINDINGS_MAX) adopted.set(`${of}|${step.step_id}`, evidence);
    } else if (!elsewhere.has(`${step.step_id}|${run}`) && elsewhere.size < FINDINGS_MAX) {
      elsewhere.add(`${step.step_id}|${run}`);
      runs.add(run);
    }
  }
  return { findings: { elsewhere, adopted }, runs: [...runs].sort() };
};

/** Without a place in this run: it says what the call was, never where. */
const adoptedEvidence = (step: AgentStep): LeafEvidence | null => {
  const family = step.facts[ACCOUNT_FACTS.family] ?? '';
  const evidence: Evidence = evidenceOf({ ...step, family, trace_id: '', span_id: '', parent_span_id: '' });
  return isLeaf(evidence) ? evidence : null;
};

/** What lost steps tell of calls, by the step that has the call here; each list ascending by step_id. */
export const adoptedBySteps = ({ adopted }: Findings): ReadonlyMap<string, readonly LeafEvidence[]> => {
  const byStep = new Map<string, LeafEvidence[]>();
  for (const [key, leaf] of [...adopted].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const of = key.slice(0, key.indexOf('|'));
    byStep.set(of, [...(byStep.get(of) ?? []), leaf]);
  }
  return byStep;
};

/** Steps of this run whose call another run has. */
export const stepsElsewhere = ({ elsewhere }: Findings): ReadonlySet<string> =>
  new Set([...elsewhere].map((key) => key.slice(0, key.indexOf('|'))));

export type StoredFindings = readonly [
  elsewhere: readonly string[],
  adopted: readonly (readonly [string, LeafEvidence])[],
];

/** undefined: there are none. Sorted, so that equal findings give equal text. */
export const storeFindings = ({ elsewhere, adopted }: Findings): StoredFindings | undefined =>
  elsewhere.size + adopted.size === 0
    ? undefined
    : [[...elsewhere].sort(), [...adopted].sort(([a], [b]) => (a < b ? -1 : 1))];

/** Reads what `storeFindings` gave. */
export const readFindings = (stored: StoredFindings | undefined): Findings =>
  stored === undefined ? NO_FINDINGS : { elsewhere: new Set(stored[0]), adopted: new Map(stored[1]) };
