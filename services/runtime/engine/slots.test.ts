import { describe, expect, test } from 'vitest';
import { createSlots } from './slots.ts';

const never = (): boolean => false;

describe('slots', () => {
  test('run no more than allowed, in order, and refuse beyond the queue with code 202', async () => {
    const slots = createSlots(2, 2);
    const release: (() => void)[] = [];
    const begun: number[] = [];
    const task = (id: number) => () => {
      begun.push(id);
      return new Promise<void>((done) => release.push(done));
    };
    const running = [1, 2, 3, 4].map((id) => slots.run(task(id), never));
    await expect(slots.run(task(5), never)).rejects.toMatchObject({ code: 202, status: 503 });
    expect(begun).toEqual([1, 2]);
    for (let freed = 0; freed < 4; freed += 1) {
      release.shift()?.();
      await running[freed];
      await new Promise((done) => setImmediate(done));
    }
    expect(begun).toEqual([1, 2, 3, 4]);
    expect(slots.running()).toBe(0);
  });

  test('a task whose caller went away while it waited is never begun, and a failing one frees its slot', async () => {
    const slots = createSlots(1, 8);
    const failing = slots.run(() => Promise.reject(new Error('no')), never);
    let isBegun = false;
    const abandoned = slots.run(
      async () => {
        isBegun = true;
      },
      () => true,
    );
    await expect(failing).rejects.toThrow('no');
    await expect(abandoned).rejects.toMatchObject({ code: 394 });
    expect([isBegun, slots.running()]).toEqual([false, 0]);
  });
});
