import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest first: begun last, one of them would keep everybody waiting. */
const LONG_FIRST: readonly string[] = ['kill', 'outage-store', 'outage-log', 'import', 'separate-processes', 'golden'];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONG_FIRST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return at < 0 ? LONG_FIRST.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/** Real processes over real logs and the real engine. Two files at a time: most of what they do is wait. */
export default defineConfig({
  test: {
    include: ['test/system/**/*.test.ts'],
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    testTimeout: 300_000,
    hookTimeout: 180_000,
  },
});
