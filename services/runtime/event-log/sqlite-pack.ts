/**
 * Records between the main thread and a worker: one buffer, transferred, instead of an object per record cloned. (A
 * cloned view drags its whole underlying buffer along, and pooled buffers cannot be transferred.)
 */
export interface PackedRecords {
  /** Five numbers a record: `a`, `b`, length of key (−1: null), of headers (−1: none), of value. */
  readonly sizes: Float64Array<ArrayBuffer>;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** `a` and `b` are the topic id and partition on the way in, offset and time on the way out. */
export interface PackItem {
  readonly a: number;
  readonly b: number;
  readonly key: Uint8Array | null;
  readonly headers: Uint8Array | null;
  readonly value: Uint8Array;
}

const STRIDE = 5;

/** Copies all records into one buffer. */
export const packRecords = (records: readonly PackItem[]): PackedRecords => {
  const sizes = new Float64Array(new ArrayBuffer(records.length * STRIDE * Float64Array.BYTES_PER_ELEMENT));
  let total = 0;
  for (const [index, { a, b, key, headers, value }] of records.entries()) {
    sizes.set([a, b, key?.length ?? -1, headers?.length ?? -1, value.length], index * STRIDE);
    total += (key?.length ?? 0) + (headers?.length ?? 0) + value.length;
  }
  const content = new Uint8Array(new ArrayBuffer(total));
  let at = 0;
  for (const { key, headers, value } of records) {
    for (const part of [key, headers, value]) {
      if (part === null) continue;
      content.set(part, at);
      at += part.length;
    }
  }
  return { sizes, content };
};

/** Views of the records in a packed buffer; nothing is copied. */
export const unpackRecords = ({ sizes, content }: PackedRecords): readonly PackItem[] => {
  let at = 0;
  const take = (length: number): Uint8Array => {
    at += length;
    return content.subarray(at - length, at);
  };
  const takeOrNull = (length: number): Uint8Array | null => (length < 0 ? null : take(length));
  return Array.from({ length: sizes.length / STRIDE }, (_, index) => {
    const [a = 0, b = 0, keyLength = -1, headersLength = -1, valueLength = 0] = sizes.subarray(
      index * STRIDE,
      (index + 1) * STRIDE,
    );
    return { a, b, key: takeOrNull(keyLength), headers: takeOrNull(headersLength), value: take(valueLength) };
  });
};

/** The buffers to hand over with a message. */
export const buffersOf = ({ sizes, content }: PackedRecords): readonly ArrayBuffer[] => [sizes.buffer, content.buffer];
