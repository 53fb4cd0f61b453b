import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['schemas/**/*.test.ts', 'services/**/*.test.ts', 'emitter/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/kafka/**', 'test/browser/**', 'test/system/**'],
    // As many as a small machine has cores: half of these tests wait for an engine beside them.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
