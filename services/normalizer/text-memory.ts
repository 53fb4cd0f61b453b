/** Bounds of a memory of texts. */
export interface TextMemoryLimits {
  /** A shorter text is read faster than it is looked up. */
  readonly charsMin: number;
  /** A longer one is not remembered. */
  readonly charsMax: number;
  readonly entriesMax: number;
  /** Characters of all texts together: the memory it takes is about that many bytes, twice that for texts beyond Latin-1. */
  readonly totalCharsMax: number;
}

/**
 * Remembers what a pure function made of long texts: agents send their whole history again with every call. It never
 * changes a result. Full, it forgets everything: simpler than ages, and what is in use is soon there again.
 */
export const rememberTexts = <T extends object | string>(
  read: (text: string) => T,
  limits: TextMemoryLimits,
): ((text: string) => T) => {
  const known = new Map<string, T>();
  let chars = 0;
  return (text) => {
    if (text.length < limits.charsMin || text.length > limits.charsMax) return read(text);
    const found = known.get(text);
    if (found !== undefined) return found;
    const made = read(text);
    chars += text.length;
    if (known.size >= limits.entriesMax || chars > limits.totalCharsMax) {
      known.clear();
      chars = text.length;
    }
    known.set(text, made);
    return made;
  };
};
