import { type Outcome, ok, refused } from '../outcome.ts';
import { encodingOf, type OtlpEncoding } from './decode.ts';
import { scanFrames } from './frames.ts';
import { metricsOfJson } from './json-decode.ts';
import { fieldOf, isJsonObject } from './json-reader.ts';
import { WireReader } from './wire-reader.ts';

// opentelemetry.proto.metrics.v1.Metric: gauge 5, sum 7, histogram 9, exponential_histogram 10, summary 11;
// data_points is field 1 in each.
const KINDS: ReadonlySet<number> = new Set([5, 7, 9, 10, 11].map((field) => (field << 3) | 2));
const DATA_POINTS = (1 << 3) | 2;
const JSON_KINDS = [
  ['gauge', 'gauge'],
  ['sum', 'sum'],
  ['histogram', 'histogram'],
  ['exponentialHistogram', 'exponential_histogram'],
  ['summary', 'summary'],
] as const;

/** Number of data points in an ExportMetricsServiceRequest; refused when it is not one. */
export const countMetrics = (bytes: Uint8Array, encoding: OtlpEncoding = encodingOf(bytes)): Outcome<number> =>
  encoding === 'json' ? countJson(bytes) : countProtobuf(bytes);

const countProtobuf = (bytes: Uint8Array): Outcome<number> => {
  const frames = scanFrames(bytes);
  if (frames.kind === 'refused') return frames;
  const reader = new WireReader(bytes);
  let points = 0;
  for (const { items } of frames.value.flatMap((frame) => frame.scopes)) {
    for (let i = 0; i + 1 < items.length; i += 2) {
      reader.reset(items[i] ?? 0, items[i + 1] ?? 0);
      points += countMetric(reader);
      if (reader.fault !== null) return refused(reader.fault.reason, reader.fault.detail);
    }
  }
  return ok(points);
};

const countMetric = (reader: WireReader): number => {
  let points = 0;
  while (reader.more()) {
    const tag = reader.tag();
    if (!KINDS.has(tag)) {
      reader.skip(tag);
      continue;
    }
    const outer = reader.enter();
    while (reader.more()) {
      const inner = reader.tag();
      if (inner === DATA_POINTS) points += 1;
      reader.skip(inner);
    }
    reader.leave(outer);
  }
  return points;
};

const countJson = (bytes: Uint8Array): Outcome<number> => {
  const metrics = metricsOfJson(bytes);
  if (metrics.kind === 'refused') return metrics;
  return ok(metrics.value.reduce<number>((sum, metric) => sum + pointsOf(metric), 0));
};

const pointsOf = (metric: unknown): number => {
  if (!isJsonObject(metric)) return 0;
  let points = 0;
  for (const [camel, snake] of JSON_KINDS) {
    const kind = fieldOf(metric, camel, snake);
    if (!isJsonObject(kind)) continue;
    const list = fieldOf(kind, 'dataPoints', 'data_points');
    if (Array.isArray(list)) points += list.length;
  }
  return points;
};
