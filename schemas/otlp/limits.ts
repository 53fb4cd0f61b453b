/** AnyValues nest at most this deep. Real ones stay below 10; recursion must not follow a hostile sender. */
export const ANY_VALUE_DEPTH_MAX = 64;
/** Unknown protobuf groups nest at most this deep before the item is refused. */
export const GROUP_DEPTH_MAX = 64;
/**
 * Spans or log records of one request. 20 MiB (the largest body) hold fewer items than this if each has its ids and
 * times; more can only be empty items, each of which would cost far more memory than the two bytes that ask for it.
 */
export const ITEMS_MAX = 500_000;
/** Attributes, values, events and links of one item: what bounds its memory at about 100 bytes each. */
export const NODES_MAX = 2_000_000;
/** Brackets open at once in a JSON body. V8 parses iteratively, but its time and memory grow with the depth. */
export const JSON_NESTING_MAX = 1_000_000;
