import { agentsWithoutCalls, noContent, noService, noSession, noUser } from './context-findings.ts';
import type { Finding } from './finding.ts';
import { clockSkew, copies, deadLetters, orphans, twins } from './shape-findings.ts';
import {
  cacheUntold,
  collidingCounters,
  estimated,
  noModel,
  noUsage,
  reasoningUntold,
  sideUntold,
  sumsOnly,
} from './usage-findings.ts';
import { weightsChanged } from './weights-finding.ts';

/** Every finding, in the order they are told: what is missing altogether, what is wrong, what is unknown, what is thin. */
export const FINDINGS: readonly Finding[] = [
  deadLetters,
  orphans,
  clockSkew,
  collidingCounters,
  estimated,
  sideUntold,
  twins,
  copies,
  noUsage,
  noModel,
  sumsOnly,
  agentsWithoutCalls,
  cacheUntold,
  reasoningUntold,
  weightsChanged,
  noService,
  noSession,
  noUser,
  noContent,
];
