import { KeyQuestion } from '../../schemas/otlp/key-shape.ts';
import { asText, keySet, textAttr } from './conventions/values.ts';
import type { SpanView } from './span-view.ts';
import type { StepFacts } from './step-facts.ts';

/**
 * What a call took that is no token, whoever tells of it: quantities by name, and which weights answered. No convention has
 * words for the weights of a local model: a server says them in its resource (OTEL_RESOURCE_ATTRIBUTES), a client on its span.
 */

/** Followed by the quantity's name: `tacho.quantity.gpu_seconds`, `tacho.quantity.kwh`, `tacho.quantity.web_searches` … */
const QUANTITY_PREFIX = 'tacho.quantity.';
/** vLLM: seconds of a request in the model, prefill and decode (vllm/tracing). */
const VLLM_INFERENCE = 'gen_ai.latency.time_in_model_inference';
export const INFERENCE_SECONDS = 'inference_seconds';
/** Quantities of one call; the names of more come from somewhere else than a bill. */
const QUANTITIES_MAX = 32;
const NAME = /^[a-z][a-z0-9_]{0,59}$/;
/** Beyond it a figure is a mistake: the ledger keeps fifteen decimals of it. */
const QUANTITY_MAX = 1e12;

const QUANTITIES = new KeyQuestion((keys) =>
  keys
    .flatMap((key, place) => {
      if (key === VLLM_INFERENCE) return [{ name: INFERENCE_SECONDS, place }];
      const name = key.startsWith(QUANTITY_PREFIX) ? key.slice(QUANTITY_PREFIX.length) : '';
      return NAME.test(name) ? [{ name, place }] : [];
    })
    .slice(0, QUANTITIES_MAX),
);
const WEIGHTS = [
  { label: 'model.digest', key: 'tacho.model.digest', keys: keySet('tacho.model.digest') },
  { label: 'model.quantisation', key: 'tacho.model.quantisation', keys: keySet('tacho.model.quantisation') },
] as const;

/** Adds to a model call the quantities and the weights its span or resource tells; other steps stay as they are. */
export const withLocalRun = (view: SpanView, facts: StepFacts): StepFacts => {
  if (facts.call === undefined) return facts;
  const places = view.ask(QUANTITIES);
  const weights = WEIGHTS.flatMap(({ label, key, keys }) => {
    const text = textAttr(view, keys) ?? asText(view.resource(key));
    return text === undefined ? [] : [[label, text] as const];
  });
  if (places.length === 0 && weights.length === 0) return facts;
  const told = places.flatMap(({ name, place }) => {
    const quantity = Number(asText(view.at(place)) ?? Number.NaN);
    return quantity >= 0 && quantity <= QUANTITY_MAX ? [[name, quantity] as const] : [];
  });
  return {
    ...facts,
    call: { ...facts.call, quantities: { ...facts.call.quantities, ...Object.fromEntries(told) } },
    labels: { ...facts.labels, ...Object.fromEntries(weights) },
  };
};
