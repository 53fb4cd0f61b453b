import { KeyQuestion } from '../../../schemas/otlp/key-shape.ts';
import { touchFacts } from '../../../schemas/step-touch.ts';
import type { Redactor } from '../redact.ts';
import type { SpanView } from '../span-view.ts';
import type { StepFacts } from '../step-facts.ts';
import { databaseTouches } from './database-touches.ts';
import { httpTouches, messagingTouches, objectTouches } from './network-touches.ts';
import { toolTouches } from './tool-touches.ts';
import { valuePrints } from './value-prints.ts';

/** Whether the keys of a span can tell of data at all: asked once for all spans with the same keys. */
const MAY_TELL = new KeyQuestion((keys) => ({
  data: keys.some((key) => key.startsWith('db.') || key.startsWith('messaging.') || key.startsWith('aws.')),
  http: keys.some((key) => key === 'http.request.method' || key === 'http.method'),
}));

/**
 * Adds to what a convention read what the step touched outside: whatever the family, the official names of databases,
 * requests and queues say it, and the arguments of tools. Spans without any of these pass through as they are.
 */
export const withDataFacts = (view: SpanView, facts: StepFacts, redactor: Redactor): StepFacts => {
  const may = view.ask(MAY_TELL);
  const isTool = facts.toolArguments !== undefined || facts.toolResult !== undefined;
  const isRetrieval = facts.stepKind === 'retrieval';
  if (!may.data && !may.http && !isTool && !isRetrieval) return facts;
  const isSpan = view.signal === 'span';
  const data = isSpan && may.data ? [...databaseTouches(view), ...messagingTouches(view), ...objectTouches(view)] : [];
  const touches = [
    ...data,
    // A database that is spoken to over HTTP is told as such.
    ...(isSpan && may.http && data.length === 0 ? httpTouches(view) : []),
    ...toolTouches(facts.toolName, facts.toolArguments),
  ];
  const prints = isTool || isRetrieval ? valuePrints(facts, redactor) : {};
  if (touches.length === 0 && Object.keys(prints).length === 0) return facts;
  return { ...facts, facts: { ...facts.facts, ...touchFacts(touches), ...prints } };
};
