import { defineConfig } from 'vitest/config';

/** Real processes over real logs and the real engine: one file at a time, the machine is part of the test. */
export default defineConfig({
  test: {
    include: ['test/system/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 180_000,
  },
});
