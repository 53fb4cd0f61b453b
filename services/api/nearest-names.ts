/** A name of the price book. */
export interface KnownName {
  readonly provider: string | null;
  readonly model: string;
}

/** Names that share less than this of their letters are no help. */
const LIKENESS_MIN = 0.35;
/** Longer names are not looked at: they are no model's. */
const NAME_CHARS_MAX = 256;

/** A look-up of names like a given one, by the letters in threes they share; built once for many questions. */
export const createNearest = (known: readonly KnownName[]): ((name: string, max: number) => readonly KnownName[]) => {
  const indexed = known.map((one) => ({ one, parts: partsOf(one.model) }));
  return (name, max) => {
    if (name.length > NAME_CHARS_MAX) return [];
    const asked = partsOf(name);
    return indexed
      .map(({ one, parts }) => ({ one, likeness: likenessOf(asked, parts) }))
      .filter(({ likeness }) => likeness >= LIKENESS_MIN)
      .sort((a, b) => b.likeness - a.likeness || (a.one.model < b.one.model ? -1 : 1))
      .filter(({ one }, at, all) => all.findIndex((other) => other.one.model === one.model) === at)
      .slice(0, max)
      .map(({ one }) => one);
  };
};

const partsOf = (name: string): ReadonlySet<string> => {
  const text = ` ${name.toLowerCase().split('/').at(-1) ?? ''} `;
  return new Set(Array.from({ length: Math.max(0, text.length - 2) }, (_, at) => text.slice(at, at + 3)));
};

/** Shared parts over all, counted twice (Dice). */
const likenessOf = (a: ReadonlySet<string>, b: ReadonlySet<string>): number =>
  a.size + b.size === 0 ? 0 : (2 * a.intersection(b).size) / (a.size + b.size);
