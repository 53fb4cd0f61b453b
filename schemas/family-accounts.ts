import type { Signal } from './step-kinds.ts';

/**
 * How the accounts that a family gives of one model call stand to each other, where the spans themselves do not show it.
 * The conventions name the families, the ledger books by these tables.
 */

/**
 * Families that tell a call by spans and by log records, and the signal that is believed. Their log records mostly
 * carry no ids that name the span, and other figures (Gemini CLI's spans lack cached tokens and thoughts), so the two are
 * not matched one by one: wherever the believed signal is heard in a run, the other one is evidence and never booked.
 * Where it is not heard, because it is not exported, the other one is the only account and is booked.
 *
 * That a run hears of it: spans and log records of these programs come from one session, and each request, prompt and
 * tool leaves a log record inside the trace (`codex.api_request`, `gemini_cli.api_request`, every event of Claude Code
 * while an interaction is open), also where the record with the figures has no trace id and so lies in the run of the
 * conversation.
 */
export const BELIEVED_SIGNAL: ReadonlyMap<string, Signal> = new Map([
  ['codex', 'log'],
  ['gemini-cli', 'log'],
  ['claude-code', 'log'],
]);

/**
 * Families whose account of a call includes what ran inside it, calls of other agents below a tool among it (a turn of
 * the OpenAI Agents SDK). What is told inside is taken out of it.
 */
export const SUMS_INNER: ReadonlySet<string> = new Set(['openai-agents']);
