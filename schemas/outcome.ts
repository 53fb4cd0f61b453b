import type { DeadLetterReason } from './dead-letter.ts';

/** What came of a piece of data. Data never throws: it is fine, or refused with a reason from the closed list. */
export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'refused'; readonly reason: DeadLetterReason; readonly detail: string };

/** The good outcome. */
export const ok = <T>(value: T): Outcome<T> => ({ kind: 'ok', value });

/** The bad outcome; `detail` is one sentence for a person, without payload bytes. */
export const refused = (reason: DeadLetterReason, detail: string): Outcome<never> => ({
  kind: 'refused',
  reason,
  detail,
});
