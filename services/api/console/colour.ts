/** Series colours a chart can keep apart; the stylesheet gives each its light and dark form as `--series-N`. */
export const SERIES_COLOURS = 12;

/** FNV-1a: small, fast and the same for ever, so that a model keeps its colour over pages and days. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (const sign of text) hash = Math.imul(hash ^ (sign.codePointAt(0) ?? 0), 0x01000193);
  return hash >>> 0;
};

/**
 * A colour number for each name. A name takes the colour its hash prefers; where two on one page prefer the same,
 * the later in the alphabet takes the next free one, whatever their figures are, so that a refresh moves nothing.
 */
export const coloursOf = (names: readonly string[]): ReadonlyMap<string, number> => {
  const taken = new Set<number>();
  const colours = new Map<string, number>();
  for (const name of [...new Set(names)].sort()) {
    let slot = hashOf(name) % SERIES_COLOURS;
    for (let tries = 0; taken.has(slot) && tries < SERIES_COLOURS; tries += 1) slot = (slot + 1) % SERIES_COLOURS;
    taken.add(slot);
    colours.set(name, slot);
  }
  return colours;
};
