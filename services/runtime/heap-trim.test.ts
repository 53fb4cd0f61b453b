import { describe, expect, it } from 'vitest';
import { isTrimWorthwhile } from './heap-trim.ts';

const MB = 1024 * 1024;
const SECONDS = 20;
/** A heap with much slack, after so many CPU seconds. */
const grown = (cpuSeconds: number) => ({ heapTotal: 500 * MB, heapUsed: 300 * MB, cpuMicros: cpuSeconds * 1e6 });

describe('giving heap back', () => {
  it('waits for rest: a full collection under load would stand still when it hurts', () => {
    expect(isTrimWorthwhile(grown(100), grown(101), SECONDS * 1000)).toBe(true);
    expect(isTrimWorthwhile(grown(100), grown(115), SECONDS * 1000)).toBe(false);
  });

  it('leaves a small heap alone', () => {
    const small = (cpuMicros: number) => ({ heapTotal: 120 * MB, heapUsed: 80 * MB, cpuMicros });
    expect(isTrimWorthwhile(small(0), small(1), SECONDS * 1000)).toBe(false);
  });
});
