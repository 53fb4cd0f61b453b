import { defineConfig } from 'vitest/config';

/** The tests against a real Kafka broker: one file at a time, each with a broker of its own. */
export default defineConfig({
  test: {
    include: ['test/kafka/**/*.test.ts'],
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 180_000,
  },
});
