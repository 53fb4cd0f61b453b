import type { LocalModel } from './price.ts';

/** Where a quantity of a bill comes from. */
export type Basis = 'measured' | 'modelled';

/** What running a model of one's own took. */
export interface LocalUse {
  readonly quantities: Readonly<Record<string, number>>;
  /** Of those quantities that are not measured. */
  readonly modelled: ReadonlySet<string>;
  /** Parts that are billed and that nobody measured and nothing says how to model. */
  readonly unknown: readonly string[];
}

const WATT_SECONDS_PER_KWH = 3_600_000;
const MICROS_PER_SECOND = 1_000_000;

/**
 * GPU-seconds and kWh of a call: as the telemetry tells them, else modelled from how long the call was in the model (vLLM
 * tells it), or how long it took, and what the price says of the machine. Waiting is shared out among the calls: with a busy share of a quarter, each second of work carries
 * three of waiting. `billed`: the rate keys of the price, for only what is billed can be unknown.
 */
export const localUse = (
  model: LocalModel,
  told: Readonly<Record<string, number>>,
  durationMicros: number | null,
  billed: ReadonlySet<string>,
): LocalUse => {
  const quantities: Record<string, number> = { ...told };
  const modelled = new Set<string>();
  const put = (name: string, quantity: number | null): number | null => {
    if (quantities[name] !== undefined) return quantities[name];
    if (quantity === null) return null;
    quantities[name] = quantity;
    modelled.add(name);
    return quantity;
  };
  const seconds = told['inference_seconds'] ?? (durationMicros === null ? null : durationMicros / MICROS_PER_SECOND);
  const gpuSeconds = put('gpu_seconds', seconds === null ? null : (seconds * model.gpus) / model.calls_at_once);
  const kwh = put('kwh', energyOf(gpuSeconds, model.watts));
  const waits = model.busy_share === null || model.busy_share === 1 ? null : 1 / model.busy_share - 1;
  const idle = waits === null || gpuSeconds === null ? null : put('idle_gpu_seconds', gpuSeconds * waits);
  const idleKwh = put('idle_kwh', energyOf(idle, model.idle_watts));
  const unknown = [
    ...(billed.has('gpu_hours') && gpuSeconds === null ? ['gpu_seconds'] : []),
    ...(billed.has('energy_kwh') && kwh === null ? ['kwh'] : []),
    ...(billed.has('energy_kwh') && waits !== null && idleKwh === null ? ['idle_kwh'] : []),
  ];
  return { quantities, modelled, unknown };
};

const energyOf = (seconds: number | null, watts: number | null): number | null =>
  seconds === null || watts === null ? null : (seconds * watts) / WATT_SECONDS_PER_KWH;
