/** A share of a bounded number of bytes. */
export interface ByteShare {
  /** Takes bytes; false, taking nothing, when there is no room. */
  readonly admit: (bytes: number) => boolean;
  /** Gives everything back. */
  readonly release: () => void;
}

/** Bytes that open requests may hold together. `onChange` is told what is held. */
export const createByteBudget = (bytesMax: number, onChange: (heldBytes: number) => void): (() => ByteShare) => {
  let total = 0;
  const add = (bytes: number): void => {
    total += bytes;
    onChange(total);
  };
  return () => {
    let share = 0;
    return {
      admit: (bytes) => {
        if (total + bytes > bytesMax) return false;
        share += bytes;
        add(bytes);
        return true;
      },
      release: () => {
        add(-share);
        share = 0;
      },
    };
  };
};
