import { defineConfig } from 'vitest/config';

/** Real processes over real logs and the real engine. Two files at a time: most of what they do is wait. */
export default defineConfig({
  test: {
    include: ['test/system/**/*.test.ts'],
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 180_000,
  },
});
