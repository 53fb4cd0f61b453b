/** Numbers in [0, 1) that a seed repeats (mulberry32): print the seed of whatever they decide. */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** Choices made with such numbers. */
export interface Dice {
  /** True in `share` of all throws. */
  readonly chance: (share: number) => boolean;
  /** Whole, in [from, to). */
  readonly within: (from: number, to: number) => number;
  readonly pick: <T>(among: readonly T[]) => T;
  readonly float: () => number;
}

/** Builds the dice of a seed. `pick` of nothing throws. */
export const createDice = (seed: number): Dice => {
  const float = seeded(seed);
  const within = (from: number, to: number): number => from + Math.floor(float() * (to - from));
  return {
    float,
    within,
    chance: (share) => float() < share,
    pick: (among) => {
      const [first] = among;
      if (first === undefined) throw new Error('nothing to pick from');
      return among[within(0, among.length)] ?? first;
    },
  };
};
