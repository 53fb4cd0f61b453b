import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';

test('a long computation that breathes lets others have their turn, and costs nothing in between', async () => {
  let turns = 0;
  const ticking = setInterval(() => {
    turns += 1;
  }, 1);
  let breaths = 0;
  let asked = 0;
  for (const endMs = performance.now() + 200; performance.now() < endMs; asked += 1) {
    const turn = systemClock.breathe?.() ?? null;
    if (turn === null) continue;
    breaths += 1;
    await turn;
  }
  clearInterval(ticking);
  expect(breaths).toBeGreaterThan(2);
  expect(turns).toBeGreaterThan(1);
  expect(asked).toBeGreaterThan(20 * breaths);
});
