import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hash128 } from '../../schemas/identity.ts';
import { IdQueue } from './id-queue.ts';

/** Ids of which many begin alike: they share slots. */
const ID = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 40 }))
  .map(([home, rest]) => `0000000${home}${rest.toString(16).padStart(24, '0')}`);

const ACT = fc.oneof(
  { weight: 3, arbitrary: fc.record({ add: fc.oneof(ID, fc.string()) }) },
  { weight: 2, arbitrary: fc.constant({ add: null }) },
);

/** What it should be: a Map keeps the order in which its keys came. */
class Model {
  readonly ids = new Map<string, number>();
  readonly ever = new Set<string>();

  add(id: string, offset: number): void {
    this.ever.add(id);
    this.ids.delete(id);
    this.ids.set(id, offset);
  }

  drop(): void {
    for (const id of [...this.ids.keys()].slice(0, 1)) this.ids.delete(id);
  }
}

const expectSame = (queue: IdQueue, model: Model): void => {
  expect(queue.oldest()).toBe([...model.ids.values()][0] ?? null);
  expect(queue.size).toBe(model.ids.size);
  for (const id of model.ever) expect(queue.has(id)).toBe(model.ids.has(id));
};

describe('ids in the order they came', () => {
  it('is what a Map of the same ids is, whatever is added, moved and dropped', () => {
    fc.assert(
      fc.property(fc.array(ACT, { maxLength: 300 }), (acts) => {
        const queue = new IdQueue();
        const model = new Model();
        for (const [offset, { add }] of acts.entries()) {
          for (const each of [queue, model]) add === null ? each.drop() : each.add(add, offset);
          expectSame(queue, model);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('keeps its ids as it grows, and runs through its room many times', () => {
    const queue = new IdQueue();
    const id = (at: number) => hash128([String(at)]);
    for (let at = 0; at < 30_000; at += 1) {
      queue.add(id(at), at);
      // One that comes again leaves a gap behind, which is not kept for ever.
      if (at % 3 === 0) queue.add(id(Math.max(at - 5, 0)), at);
      while (queue.size > 5_000) queue.drop();
    }
    expect(queue.size).toBe(5_000);
    for (let at = 29_000; at < 30_000; at += 1) expect(queue.has(id(at))).toBe(true);
    for (let at = 0; at < 20_000; at += 1) expect(queue.has(id(at))).toBe(false);
  });
});
