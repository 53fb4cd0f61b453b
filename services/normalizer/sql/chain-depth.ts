/**
 * Operators that one expression may chain. The parser builds a tree as deep as the chain and walks it by recursion:
 * with some hundred it takes seconds and gigabytes, with a thousand it overflows its stack.
 */
const CHAIN_MAX = 200;
/**
 * Work that brackets may cost. In some dialects the parser reads what stands in a bracket twice, once as one thing and
 * again as another, and so on inwards: each level doubles, and twenty levels take seconds. This many readings take some 50 ms.
 */
const READINGS_MAX = 16_384;
/** A sign, or a cast: `::int` is one word. */
const OPERATOR_SIGN = /^(?:[-+*/|&^%<>=!~:?@.[]$|::)/;
const OPERATOR_WORDS = new Set(
  (
    'AND OR NOT XOR IS IN BETWEEN LIKE ILIKE RLIKE REGEXP GLOB SIMILAR MATCH ESCAPE COLLATE AT DIV MOD OVERLAPS MEMBER ' +
    'PIVOT UNPIVOT MATCH_RECOGNIZE OPERATOR CASE INTERVAL EXISTS'
  ).split(' '),
);
const SET_WORDS = new Set(['UNION', 'EXCEPT', 'INTERSECT', 'MINUS']);
/** With these another part of the statement begins: its expressions chain anew. */
const BREAKS = new Set([',', ...'SELECT FROM WHERE GROUP HAVING ORDER SET ON WHEN THEN ELSE'.split(' ')]);

type Sort = 'open' | 'close' | 'end' | 'break' | 'set' | 'operator' | 'other';

const SORTS: ReadonlyMap<string, Sort> = new Map<string, Sort>([
  ...['(', '[', '{'].map((sign) => [sign, 'open'] as const),
  ...[')', ']', '}'].map((sign) => [sign, 'close'] as const),
  [';', 'end'],
  ...[...BREAKS].map((word) => [word, 'break'] as const),
  ...[...SET_WORDS].map((word) => [word, 'set'] as const),
  ...[...OPERATOR_WORDS].map((word) => [word, 'operator'] as const),
]);

const sortOf = (token: string): Sort =>
  SORTS.get(token.toUpperCase()) ?? (OPERATOR_SIGN.test(token) ? 'operator' : 'other');

/**
 * Whether any chain of operators, with those it stands in, is longer than the parser may be given. Each level of
 * brackets has a chain of its own, and all open ones add up; set operations chain whole queries up to the next `;`.
 */
export const isTooDeep = (tokens: readonly string[]): boolean => {
  let chains: number[] = [0];
  let open = 0;
  let sets = 0;
  let readings = 0;
  const restart = (): void => {
    open -= chains.at(-1) ?? 0;
    chains[chains.length - 1] = 0;
  };
  const steps: Readonly<Record<Sort, () => void>> = {
    open: () => {
      chains.push(0);
      readings += 2 ** chains.length;
    },
    close: () => {
      if (chains.length > 1) open -= chains.pop() ?? 0;
    },
    end: () => {
      chains = [0];
      open = 0;
      sets = 0;
    },
    break: restart,
    set: () => {
      sets += 1;
    },
    operator: () => {
      chains[chains.length - 1] = (chains.at(-1) ?? 0) + 1;
      open += 1;
    },
    other: () => undefined,
  };
  let repeats = 0;
  return tokens.some((token, at) => {
    // A word before itself (`INTERVAL INTERVAL …`) is read as two things, like a bracket.
    repeats = token === tokens[at - 1] && /^\w/.test(token) ? repeats + 1 : 0;
    if (repeats > 0) readings += 2 ** (chains.length + repeats);
    steps[sortOf(token)]();
    return open + sets > CHAIN_MAX || readings > READINGS_MAX;
  });
};
