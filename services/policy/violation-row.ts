import type { PolicyViolation } from '../../schemas/policy-violation.ts';
import type { Row } from '../runtime/ports.ts';
import { utcMillis } from '../runtime/stream/time.ts';

/** A violation as a row of `policy_violations`. */
export const violationRow = (
  { ts_unix_micros, detected_at_ms, ...shared }: PolicyViolation,
  frame: { readonly batch_id: string; readonly logged_at: string },
): Row => ({ ...shared, ts: utcMicros(ts_unix_micros), detected_at: utcMillis(detected_at_ms), ...frame });

/** µs since 1970 as ClickHouse reads a DateTime64(6, 'UTC'). */
const utcMicros = (micros: number): string => {
  const ms = Math.floor(micros / 1_000);
  return utcMillis(ms) + String(micros - ms * 1_000).padStart(3, '0');
};
