import type { OtlpRefusal } from '../../schemas/otlp/types.ts';
import type { LogRecord, OutgoingRecord, Row } from '../runtime/ports.ts';
import { deadLetterOf, deadLetterRow } from '../runtime/stream/dead-letters.ts';
import type { RecordOrigin } from './record-origin.ts';

/** Name of the service, as its dead letters carry it. */
export const NORMALIZER = 'normalizer';

/** The original bytes, once per record however many of its items were refused; the first reason stands for it. */
export const deadLetterOfRecord = (
  record: LogRecord,
  refusals: readonly OtlpRefusal[],
  origin: RecordOrigin,
): OutgoingRecord => deadLetterOf(origin, record, refusals[0]?.reason ?? 'empty_record', NORMALIZER);

/** Rows of `dead_letters`: one for each refused item. */
export const deadLetterRows = (
  record: LogRecord,
  refusals: readonly OtlpRefusal[],
  origin: RecordOrigin,
): readonly Row[] => refusals.map((refusal) => deadLetterRow(origin, record, refusal, NORMALIZER, origin.tenant));
