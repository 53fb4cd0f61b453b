/** Limits of design 9. Exceeding one is visible on the row: a flag, and an attribute `tacho.…` with what was left out. */

/** A longer attribute is cut, so that a scan over the map stays cheap; its whole text goes to `span_content`. */
export const ATTRIBUTE_BYTES_MAX = 8 * 1024;
/** The largest span measured has 125 attributes; more than this is a program that writes data as attributes. */
export const ATTRIBUTES_MAX = 512;
/** Keys are LowCardinality: a sender that puts data into keys must not grow the dictionary without bound. */
export const ATTRIBUTE_KEY_CHARS_MAX = 256;
/** One text in `span_content`: a context window of 200,000 tokens is about this long. */
export const CONTENT_BYTES_MAX = 1024 * 1024;
/** A sentence for a person; stack traces stay in the events. */
export const ERROR_MESSAGE_BYTES_MAX = 1024;
/** Names, ids and models are grouped by; longer ones are text in the wrong place. */
export const NAME_BYTES_MAX = 512;
export const LINKS_MAX = 128;
export const FLAGS_MAX = 32;
/** A label or a fact for the folds: a host, a path, a dataset; steps stay compact. */
export const FACT_BYTES_MAX = 1024;
