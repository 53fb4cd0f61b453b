import type { Row } from '../runtime/ports.ts';
import type { ContentMode } from './attributes.ts';
import { CONTENT_BYTES_MAX, NAME_BYTES_MAX } from './limits.ts';
import type { Redactor } from './redact.ts';
import type { ContentPart } from './step-facts.ts';
import { cutUtf8 } from './text.ts';

/** A part as it is stored: redacted, cut, fingerprinted. */
export interface StoredContent {
  readonly direction: ContentPart['direction'];
  readonly role: string;
  readonly partKind: ContentPart['partKind'];
  readonly content: string;
  readonly bytes: number;
  /** Of the redacted text: a hash of a card number alone could be searched for. */
  readonly hash: string;
  readonly isCut: boolean;
  readonly classes: readonly string[];
}

/** Redacts and measures every part. */
export const storeContent = (parts: readonly ContentPart[], redactor: Redactor): readonly StoredContent[] =>
  parts.map((part) => {
    const { text, classes, bytes, hash } = redactor.measure(part.content.toWellFormed());
    const content = cutUtf8(text, CONTENT_BYTES_MAX);
    return {
      direction: part.direction,
      role: cutUtf8(part.role, NAME_BYTES_MAX),
      partKind: part.partKind,
      content,
      bytes,
      hash,
      isCut: content !== text,
      classes,
    };
  });

/** Rows of `span_content`, numbered in order. Mode `hash` leaves the text out, `off` gives none. */
export const contentRows = (stored: readonly StoredContent[], spanRow: Row, mode: ContentMode): readonly Row[] =>
  mode === 'off'
    ? []
    : stored.map((part, index) => ({
        tenant_id: spanRow['tenant_id'],
        run_id: spanRow['run_id'],
        trace_id: spanRow['trace_id'],
        span_id: spanRow['span_id'],
        step_id: spanRow['step_id'],
        content_index: index,
        direction: part.direction,
        role: part.role,
        part_kind: part.partKind,
        content: mode === 'full' ? part.content : '',
        content_bytes: part.bytes,
        content_hash: part.hash,
        is_cut: part.isCut,
        pii_classes: part.classes,
        ts: spanRow['ts'],
        batch_id: spanRow['batch_id'],
        logged_at: spanRow['logged_at'],
      }));

/** Classes found, by direction, for the folds: `pii.input`, `pii.output`. */
export const contentFacts = (stored: readonly StoredContent[]): Readonly<Record<string, string>> => {
  const facts: Record<string, string> = {};
  const found = stored.filter((part) => part.classes.length > 0);
  if (found.length === 0) return facts;
  for (const direction of ['input', 'output'] as const) {
    const classes = new Set(found.filter((part) => part.direction === direction).flatMap((part) => part.classes));
    if (classes.size > 0) facts[`pii.${direction}`] = [...classes].sort().join(',');
  }
  return facts;
};
