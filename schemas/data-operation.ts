/** Words for what is done to data. One that stands in none of the lists is taken as reading, and kept for people to see. */
const WRITING =
  /^(?:write|insert|update|upsert|delete|drop|create|alter|truncate|merge|append|put|post|patch|replace|upload|save|store|copy_to|export|publish|send|produce|set|add|index|bulk|push|find_?one_?and_?(?:update|replace|delete)|find_?and_?modify)/i;
const READING =
  /^(?:read|select|query|get|list|scan|search|fetch|find|load|download|retrieve|describe|count|copy_from|receive|process|consume|poll|aggregate|distinct)/i;
const BOTH = /^(?:read[-_ ]?write|rw|readwrite)$/i;

/** What an operation does with the data it names: `isKnown` false where its word says neither. */
export const waysOfOperation = (
  operation: string | null,
): { readonly ways: readonly ('reads' | 'writes')[]; readonly isKnown: boolean } => {
  if (operation === null) return { ways: ['reads'], isKnown: true };
  if (BOTH.test(operation)) return { ways: ['reads', 'writes'], isKnown: true };
  if (WRITING.test(operation)) return { ways: ['writes'], isKnown: true };
  return { ways: ['reads'], isKnown: READING.test(operation) };
};
