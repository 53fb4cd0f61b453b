import { z } from 'zod';
import type { AgentStep } from '../../../schemas/agent-step.ts';
import { hash128 } from '../../../schemas/identity.ts';
import { SEVERITIES, type Severity } from '../../../schemas/policy-violation.ts';
import type { DetectorRun, Finding, Json } from '../rule-set.ts';
import type { DetectorType } from './detector-type.ts';

/** Pairs of (tool, arguments) counted in one run. Beyond it new pairs are not counted, and that is told. */
const PAIRS_MAX = 4_096;
/** Instrumentations that may describe one call, each counted apart. */
const TELLERS_MAX = 8;
/** A level beyond this is no loop any more but an outage. */
const COUNT_MAX = 100;
/** 64 bits tell the calls of one run apart. */
const SHORT = 16;

const LEVEL = z.strictObject({
  count: z.int().min(2).max(COUNT_MAX),
  severity: z.enum(SEVERITIES),
});
const SETTINGS = { levels: z.array(LEVEL).min(1).max(SEVERITIES.length) };

interface Level {
  readonly count: number;
  readonly severity: Severity;
}

/**
 * The same tool with the same arguments again and again in one run. Counted per teller (service, scope, signal): when
 * two instrumentations describe each call, a call still counts once. The count is of distinct calls, so any order and any
 * repetition of the steps gives the same levels; each level is a violation of its own.
 */
export const loop: DetectorType = {
  type: 'loop',
  extras: ['count'],
  on: ['tool'],
  requires: ['e.tool.name', 'e.tool.arguments_hash'],
  settings: SETTINGS,
  problems: (settings) => {
    const { levels } = z.object(SETTINGS).parse(settings);
    return levels.flatMap((level, at) => {
      const before = levels[at - 1];
      const isRising = before === undefined || before.count < level.count;
      return isRising
        ? []
        : [{ path: ['levels', at, 'count'], message: 'levels rise: each count is above the one before' }];
    });
  },
  build: (settings) => {
    const { levels } = z.object(SETTINGS).parse(settings);
    return (kept) => openLoop(levels, kept);
  },
};

/** Calls of one pair: by teller, the ids of distinct calls as far as the highest level needs them. */
type Pairs = Map<string, Map<string, Set<string>>>;

const openLoop = (levels: readonly Level[], kept: Json | undefined): DetectorRun => {
  const pairs = read(kept);
  const callsMax = levels.at(-1)?.count ?? 0;
  return {
    take: (step) => {
      const { tool_name: tool, tool_arguments_hash: argumentsHash } = step;
      if (tool === null || argumentsHash === null) return { findings: [], isFull: false };
      const pair = short([tool, argumentsHash]);
      const tellers = pairs.get(pair);
      if (tellers === undefined && pairs.size >= PAIRS_MAX) return { findings: [], isFull: true };
      const here = tellers ?? new Map<string, Set<string>>();
      pairs.set(pair, here);
      const before = mostOf(here);
      const isFull = count(here, step, callsMax);
      const now = mostOf(here);
      const reached = levels.filter(({ count: wanted }) => before < wanted && now >= wanted);
      return { findings: reached.map((level) => findingOf(level, pair, step)), isFull };
    },
    close: () => write(pairs),
  };
};

/** Enters the call of a step under its teller; true when there is no room for the teller. */
const count = (tellers: Map<string, Set<string>>, step: AgentStep, callsMax: number): boolean => {
  const teller = short([step.service, step.scope_name, step.signal]);
  const calls = tellers.get(teller);
  if (calls === undefined && tellers.size >= TELLERS_MAX) return true;
  const here = calls ?? new Set<string>();
  tellers.set(teller, here);
  // Two spans of one teller about one call carry its call id; without one, each step is a call.
  if (here.size < callsMax)
    here.add(short([step.tool_call_id === null ? `step ${step.step_id}` : `call ${step.tool_call_id}`]));
  return false;
};

const mostOf = (tellers: ReadonlyMap<string, ReadonlySet<string>>): number =>
  Math.max(0, ...[...tellers.values()].map((calls) => calls.size));

const short = (parts: readonly string[]): string => hash128(parts).slice(0, SHORT);

const findingOf = ({ count: reached, severity }: Level, pair: string, step: AgentStep): Finding => ({
  key: [pair, String(reached)],
  severity,
  sourceSpanId: null,
  extra: { count: String(reached) },
  evidence: { calls_at_least: reached, arguments_hash: step.tool_arguments_hash },
});

// --------------------------------------------------------------------- kept

const write = (pairs: Pairs): Json =>
  Object.fromEntries(
    sorted(pairs).map(([pair, tellers]) => [
      pair,
      Object.fromEntries(sorted(tellers).map(([teller, calls]) => [teller, [...calls].sort().join('')])),
    ]),
  );

const sorted = <T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const read = (kept: Json | undefined): Pairs => {
  const stored = (kept ?? {}) as Readonly<Record<string, Readonly<Record<string, string>>>>;
  return new Map(
    Object.entries(stored).map(([pair, tellers]) => [
      pair,
      new Map(Object.entries(tellers).map(([teller, calls]) => [teller, new Set(cut(calls))])),
    ]),
  );
};

const cut = (text: string): readonly string[] =>
  Array.from({ length: text.length / SHORT }, (_, at) => text.slice(at * SHORT, (at + 1) * SHORT));
