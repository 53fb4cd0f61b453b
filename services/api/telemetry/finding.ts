import type { Query } from '../queries/query.ts';

/** What every finding is asked about: what was stored in a time, of one tenant or of all. */
export interface Scope {
  /** null: every tenant the caller may see. */
  readonly tenant: string | null;
  /** Half-open, by the log's time (`logged_at`), milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * - `wrong`: figures or the shape of runs are not what happened until it is mended;
 * - `unknown`: something is not told, and what depends on it is unknown or an upper bound;
 * - `thin`: figures are right, questions about who and why cannot be answered.
 */
export const SEVERITIES = ['wrong', 'unknown', 'thin'] as const;
export type TelemetrySeverity = (typeof SEVERITIES)[number];

/** One sender that shows a finding. */
export interface FindingRow {
  readonly tenant_id: string;
  /** '' where the record was refused before anyone could read it. */
  readonly service: string;
  readonly family: string;
  /** Model calls it touches; null: it touches no calls, or nobody can say. */
  readonly calls: number | null;
  /** Spans and records it touches; null: counted in calls only. */
  readonly steps: number | null;
  /** A run to look at; null: none. */
  readonly example_run_id: string | null;
  /** Which models, agents, scopes … in words; '' when there is nothing to add. */
  readonly detail: string;
}

/**
 * One thing telemetry can lack or get wrong: what it is, how the sender mends it, and the question to the store that
 * finds it. Adding one is an object here and a line in `registry.ts`.
 */
export interface Finding {
  readonly id: string;
  readonly severity: TelemetrySeverity;
  readonly title: string;
  /** What it does to the figures, for who has to decide whether it matters. */
  readonly effect: string;
  /** What the sender does about it. */
  readonly fix: string;
  /** The same for senders of one family, where more is known of them. */
  readonly fixes?: Readonly<Record<string, string>>;
  readonly query: (scope: Scope) => Query;
}
