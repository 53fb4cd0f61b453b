import type { Sink } from './sink.ts';
import { slack } from './slack.ts';
import { webhook } from './webhook.ts';

/** Every kind of sink the config can name (`alerts.sinks[].kind`). */
const SINKS: readonly Sink[] = [
  webhook, // signed JSON for anything that can read it: pagers, automation
  slack, // people
];

/** The sink of a kind; undefined when there is none. */
export const sinkOf = (kind: string): Sink | undefined => SINKS.find((sink) => sink.kind === kind);
