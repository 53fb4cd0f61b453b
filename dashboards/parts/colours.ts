import { FieldColorBuilder, FieldColorModeId, type Threshold } from '@grafana/grafana-foundation-sdk/dashboard';

/** One colour, one meaning, on every panel. Names of series that mean a state; all others keep the colour of their name. */
export const COLOUR_OF = {
  ok: 'green',
  known: 'green',
  calls: 'blue',
  runs: 'blue',
  'failed calls': 'red',
  'runs with errors': 'red',
  errors: 'red',
  unknown: 'purple',
  critical: 'dark-red',
  high: 'red',
  medium: 'orange',
  low: 'yellow',
  info: 'blue',
  'uncached input': 'blue',
  'cache read': 'green',
  'cache write': 'yellow',
  output: 'orange',
  reasoning: 'purple',
  audio: 'dark-blue',
  no_usage: 'purple',
  no_price: 'orange',
  no_model: 'yellow',
  ambiguous_model: 'dark-yellow',
  failed: 'red',
  other: 'text',
  '(not told)': 'semi-dark-purple',
} as const satisfies Readonly<Record<string, string>>;

export type Meaning = keyof typeof COLOUR_OF;

/** The same name has the same colour wherever it appears. */
export const byName = (): FieldColorBuilder => new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName);
/** The colour of the threshold a value has passed. */
export const byThreshold = (): FieldColorBuilder => new FieldColorBuilder().mode(FieldColorModeId.Thresholds);

/** Colours of a share that should be whole. */
export const SHARE_STEPS: readonly Threshold[] = [
  { value: null, color: 'red' },
  { value: 0.8, color: 'orange' },
  { value: 0.95, color: 'green' },
];
/** Colours of a count that should be 0. */
export const ANY_IS_BAD: readonly Threshold[] = [
  { value: null, color: 'green' },
  { value: 1, color: 'red' },
];
/** Colours of the used share of a limit. */
export const USED_STEPS: readonly Threshold[] = [
  { value: null, color: 'green' },
  { value: 0.8, color: 'orange' },
  { value: 1, color: 'red' },
];
/** Seconds. Accepted to queryable is promised within 2 s under load; 30 s is what the alert calls late. */
export const FRESH_STEPS: readonly Threshold[] = [
  { value: null, color: 'green' },
  { value: 5, color: 'orange' },
  { value: 30, color: 'red' },
];
