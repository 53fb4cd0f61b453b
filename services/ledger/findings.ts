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
export const ACCOUNT_FACTS = {
  run: 'call.run',
  step: 'call.step',
  family: 'call.family',
  /** Of findings that may change: what they were found under, and how much was known there. */
  key: 'call.key',
  revision: 'call.revision',
} as const;

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

/** Which span of another run tells the call of a log record: it may be another one when more is known. */
export interface Settled {
  readonly record: AgentStep;
  /** What it was found under. */
  readonly key: string;
  readonly before: AgentStep | null;
  readonly after: AgentStep | null;
  /** Grows with what is known; the highest one counts, whatever the order they come in. */
  readonly revision: number;
}

/** Tells the record's run, and the runs of the span it had and of the one it has. */
export const settledFindings = ({ record, key, before, after, revision }: Settled): readonly OutgoingRecord[] => {
  const runIn = (step: AgentStep | null): string => step?.facts[ACCOUNT_FACTS.run] ?? '';
  const facts = { [ACCOUNT_FACTS.key]: key, [ACCOUNT_FACTS.revision]: String(revision) };
  const { tenant_id, step_id, start_unix_micros, end_unix_micros, logged_at_ms } = record;
  const who = { ...BLANK_STEP, tenant_id, step_id, start_unix_micros, end_unix_micros, logged_at_ms };
  const told = (kind: OwnKind, run_id: string, step: AgentStep, span: AgentStep | null): OutgoingRecord =>
    ownRecord(kind, {
      ...step,
      run_id,
      facts: { ...step.facts, ...facts, [ACCOUNT_FACTS.step]: span?.step_id ?? '' },
    });
  return [
    told('elsewhere', runIn(record), who, after),
    ...(before !== null && runIn(before) !== runIn(after) ? [told('adopted', runIn(before), record, null)] : []),
    ...(after === null ? [] : [told('adopted', runIn(after), record, after)]),
  ];
};

/** What a run was told of itself by such steps. Grows only. */
export interface Findings {
  /** `step_id|run_id`: steps whose call that run has in its place. */
  readonly elsewhere: ReadonlySet<string>;
  /** `step_id|lost step_id`: what a step without a place tells of the call of a step here. */
  readonly adopted: ReadonlyMap<string, LeafEvidence>;
  /** `step_id|key` of log records without a trace: which span tells their call, as far as is known under that key. */
  readonly records: ReadonlyMap<string, RecordFinding>;
}

/** In the record's run: the span elsewhere. In the span's: the span here, and what the record tells of its call. */
export interface RecordFinding {
  readonly revision: number;
  /** '': none any more. */
  readonly span_step: string;
  readonly leaf: LeafEvidence | null;
}

export const NO_FINDINGS: Findings = { elsewhere: new Set(), adopted: new Map(), records: new Map() };

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
  const records = new Map(known.records);
  const runs = new Set<string>();
  for (const step of own) {
    if (step.facts[ACCOUNT_FACTS.key] !== undefined) {
      addRecordFinding(records, step);
      continue;
    }
    const [run, of] = [step.facts[ACCOUNT_FACTS.run] ?? '', step.facts[ACCOUNT_FACTS.step] ?? ''];
    if (ownKindOf(step) === 'adopted') {
      const evidence = adoptedEvidence(step);
      if (evidence !== null && adopted.size < FINDINGS_MAX) adopted.set(`${of}|${step.step_id}`, evidence);
    } else if (!elsewhere.has(`${step.step_id}|${run}`) && elsewhere.size < FINDINGS_MAX) {
      elsewhere.add(`${step.step_id}|${run}`);
      runs.add(run);
    }
  }
  return { findings: { elsewhere, adopted, records }, runs: [...runs].sort() };
};

/** The newest word on a record counts. */
const addRecordFinding = (records: Map<string, RecordFinding>, step: AgentStep): void => {
  const key = `${step.step_id}|${step.facts[ACCOUNT_FACTS.key] ?? ''}`;
  const revision = Number(step.facts[ACCOUNT_FACTS.revision] ?? 0);
  const known = records.get(key);
  if (known === undefined ? records.size >= FINDINGS_MAX : known.revision >= revision) return;
  const span_step = step.facts[ACCOUNT_FACTS.step] ?? '';
  const leaf = ownKindOf(step) === 'adopted' && span_step !== '' ? adoptedEvidence(step) : null;
  records.set(key, { revision, span_step, leaf });
};

/** Without a place in this run: it says what the call was, never where. */
const adoptedEvidence = (step: AgentStep): LeafEvidence | null => {
  const family = step.facts[ACCOUNT_FACTS.family] ?? '';
  const evidence: Evidence = evidenceOf({ ...step, family, trace_id: '', span_id: '', parent_span_id: '' });
  return isLeaf(evidence) ? evidence : null;
};

/** What steps of other runs tell of calls, by the step that has the call here; each list ascending by step_id. */
export const adoptedBySteps = ({ adopted, records }: Findings): ReadonlyMap<string, readonly LeafEvidence[]> => {
  const byStep = new Map<string, Map<string, LeafEvidence>>();
  const add = (of: string, leaf: LeafEvidence): void => {
    byStep.set(of, (byStep.get(of) ?? new Map<string, LeafEvidence>()).set(leaf.step_id, leaf));
  };
  for (const [key, leaf] of adopted) add(key.slice(0, key.indexOf('|')), leaf);
  for (const { span_step, leaf } of records.values()) if (leaf !== null) add(span_step, leaf);
  return new Map(
    [...byStep].map(([of, leaves]) => [of, [...leaves.values()].sort((a, b) => (a.step_id < b.step_id ? -1 : 1))]),
  );
};

/** Spans of other runs that tell the calls of log records of this one, by the record's step_id. */
export const spansElsewhere = ({ records }: Findings): ReadonlyMap<string, readonly string[]> => {
  const bySteps = new Map<string, string[]>();
  for (const [key, { span_step, leaf }] of records) {
    if (leaf !== null || span_step === '') continue;
    const of = key.slice(0, key.indexOf('|'));
    bySteps.set(of, [...(bySteps.get(of) ?? []), span_step]);
  }
  return bySteps;
};

/** The evidence of a run, with what sums taken for calls where a log record tells just their figures as one. */
export const withWitnessedCalls = (evidence: readonly Evidence[], { records }: Findings): readonly Evidence[] => {
  const witnessed = new Set([...records.values()].flatMap(({ leaf, span_step }) => (leaf === null ? [] : [span_step])));
  return witnessed.size === 0
    ? evidence
    : evidence.map((step) =>
        step.call?.role === 'wrapper' && witnessed.has(step.step_id)
          ? { ...step, call: { ...step.call, role: 'leaf' } }
          : step,
      );
};

/** Steps of this run whose call another run has. */
export const stepsElsewhere = ({ elsewhere }: Findings): ReadonlySet<string> =>
  new Set([...elsewhere].map((key) => key.slice(0, key.indexOf('|'))));

export type StoredFindings = readonly [
  elsewhere: readonly string[],
  adopted: readonly (readonly [string, LeafEvidence])[],
  records?: readonly (readonly [string, RecordFinding])[],
];

/** undefined: there are none. Sorted, so that equal findings give equal text. */
export const storeFindings = ({ elsewhere, adopted, records }: Findings): StoredFindings | undefined => {
  if (elsewhere.size + adopted.size + records.size === 0) return undefined;
  const byKey = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const spans = [[...elsewhere].sort(), byKey(adopted)] as const;
  return records.size === 0 ? spans : [...spans, byKey(records)];
};

/** Reads what `storeFindings` gave. */
export const readFindings = (stored: StoredFindings | undefined): Findings =>
  stored === undefined
    ? NO_FINDINGS
    : { elsewhere: new Set(stored[0]), adopted: new Map(stored[1]), records: new Map(stored[2] ?? []) };
