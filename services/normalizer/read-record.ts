import type { ActionEvent } from '../../schemas/action-event.ts';
import { decodeActionEvent } from '../../schemas/action-event-codec.ts';
import { stepIdOfLog, stepIdOfSpan } from '../../schemas/identity.ts';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import type { OtlpItem, OtlpLogRecord, OtlpRefusal, OtlpSpan } from '../../schemas/otlp/types.ts';
import { type Outcome, ok } from '../../schemas/outcome.ts';
import { normalizeAction, stepIdOfAction } from './action-step.ts';
import type { NormalizedStep } from './normalized-step.ts';
import { createResourceCache, type NormalizeOptions, normalizeOtlp } from './otlp-step.ts';
import type { RecordOrigin } from './record-origin.ts';
import { viewOfLog, viewOfSpan } from './span-view.ts';

/** One item of a record: who it is, and how to normalise it, which is only done when it is no duplicate. */
export interface RecordItem {
  readonly stepId: string;
  readonly logIndex: number;
  readonly normalize: () => NormalizedStep;
}

/** A record taken apart. Items and refusals may both be there. */
export interface RecordItems {
  readonly items: readonly RecordItem[];
  readonly refusals: readonly OtlpRefusal[];
}

/** Equal log records that fit one record of the log: a record is at most 21 MiB. */
const PART_ORDINALS = 1_000_000;
const NANOS_PER_MILLI = 1_000_000n;

/** Spans of an ExportTraceServiceRequest. */
export const readSpanRecord = (
  bytes: Uint8Array,
  origin: RecordOrigin,
  options: NormalizeOptions,
): Outcome<RecordItems> => {
  const decoded = decodeTraces(bytes);
  if (decoded.kind === 'refused') return decoded;
  const resourceOf = createResourceCache(options.redactor);
  const items = decoded.value.items.map((entry: OtlpItem<OtlpSpan>) => {
    const stepId = stepIdOfSpan(origin.tenant, entry.item.traceId, entry.item.spanId);
    return {
      stepId,
      logIndex: entry.index,
      normalize: () =>
        normalizeOtlp(
          {
            view: viewOfSpan(entry),
            stepId,
            logIndex: entry.index,
            startNano: entry.item.startUnixNano,
            endNano: entry.item.endUnixNano,
            resource: resourceOf(entry.resource.attributes),
          },
          origin,
          options,
        ),
    };
  });
  return ok({ items, refusals: decoded.value.refusals });
};

/** Log records of an ExportLogsServiceRequest. Equal ones are told apart by their order among equals. */
export const readLogRecords = (
  bytes: Uint8Array,
  origin: RecordOrigin,
  options: NormalizeOptions,
): Outcome<RecordItems> => {
  const decoded = decodeLogs(bytes);
  if (decoded.kind === 'refused') return decoded;
  const resourceOf = createResourceCache(options.redactor);
  const ordinals = new Map<string, number>();
  const items = decoded.value.items.map((entry) => {
    const equal = stepIdOfLog(origin.tenant, entry.resource, entry.scope, entry.item, 0);
    const ordinal = ordinals.get(equal) ?? origin.part * PART_ORDINALS;
    ordinals.set(equal, ordinal + 1);
    const stepId = ordinal === 0 ? equal : stepIdOfLog(origin.tenant, entry.resource, entry.scope, entry.item, ordinal);
    const timeNano = timeOfLog(entry.item, origin);
    return {
      stepId,
      logIndex: entry.index,
      normalize: () =>
        normalizeOtlp(
          {
            view: viewOfLog(entry),
            stepId,
            logIndex: entry.index,
            startNano: timeNano,
            endNano: timeNano,
            resource: resourceOf(entry.resource.attributes),
          },
          origin,
          options,
        ),
    };
  });
  return ok({ items, refusals: decoded.value.refusals });
};

/** When it happened; else when it was seen; else when it reached the log (which no shift applies to). */
const timeOfLog = (record: OtlpLogRecord, origin: RecordOrigin): bigint => {
  if (record.timeUnixNano !== 0n) return record.timeUnixNano;
  if (record.observedUnixNano !== 0n) return record.observedUnixNano;
  return BigInt(origin.loggedAtMs) * NANOS_PER_MILLI - origin.shiftNano;
};

/** One action event. */
export const readActionRecord = (
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
  originOf: (event: ActionEvent) => RecordOrigin,
  options: NormalizeOptions,
): Outcome<RecordItems> => {
  const decoded = decodeActionEvent(bytes, headers);
  if (decoded.kind === 'refused') return decoded;
  const event = decoded.value;
  const origin = originOf(event);
  const stepId = stepIdOfAction(origin.tenant, event);
  return ok({
    items: [{ stepId, logIndex: 0, normalize: () => normalizeAction(event, origin, options) }],
    refusals: [],
  });
};
