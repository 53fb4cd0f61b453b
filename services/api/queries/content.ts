import { type Query, READ_SETTINGS } from './query.ts';

/** One part of what went into or came out of a step, after redaction. */
export interface ContentRow {
  readonly step_id: string;
  readonly span_id: string;
  readonly content_index: number;
  readonly direction: string;
  readonly role: string;
  readonly part_kind: string;
  readonly content: string;
  readonly content_bytes: number;
  readonly content_hash: string;
  readonly is_cut: boolean;
  readonly pii_classes: readonly string[];
  readonly ts: string;
}

/** Most parts read at once: a page beyond it says so and points to the steps. */
export const CONTENT_PARTS_MAX = 2000;

export interface ContentInput {
  readonly tenant: string;
  readonly runId: string;
  /** Only these steps; empty means the whole run. */
  readonly stepIds: readonly string[];
  /** Characters of each part; the rest is cut and told by `content_bytes`. */
  readonly charsMax: number;
  readonly limit: number;
}

/** Content of steps of one run, in order of time and part. Reading it needs the `content` grant and is logged. */
export const contentQuery = (input: ContentInput): Query => ({
  sql: `SELECT step_id, span_id, content_index, direction, role, part_kind,
  substringUTF8(content, 1, {chars_max:UInt32}) AS content, content_bytes, content_hash, is_cut, pii_classes, ts
FROM span_content
WHERE tenant_id = {tenant:String}
  AND run_id = {run_id:String}${input.stepIds.length > 0 ? '\n  AND step_id IN {step_ids:Array(String)}' : ''}
ORDER BY ts, step_id, content_index
LIMIT {limit:UInt32}
${READ_SETTINGS}`,
  params: {
    tenant: input.tenant,
    run_id: input.runId,
    ...(input.stepIds.length > 0 ? { step_ids: input.stepIds } : {}),
    chars_max: input.charsMax,
    limit: input.limit,
  },
});
