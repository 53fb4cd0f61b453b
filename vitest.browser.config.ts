import { defineConfig } from 'vitest/config';

/** Tests that drive Chromium over the running console; apart, for not every machine has a browser. */
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
