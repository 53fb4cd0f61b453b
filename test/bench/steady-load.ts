import { type MeasuredChild, startOurs } from './measured-child.ts';

/** What became of the spans of a load. */
export interface LoadCounts {
  /** What the rate asked for. */
  readonly due: number;
  readonly accepted: number;
  /** Answered 429 or 503: a sender keeps them. */
  readonly refused: number;
  readonly failed: number;
  /** Not sent, because too many answers were still awaited. */
  readonly late: number;
}

export interface SteadyLoad {
  readonly child: MeasuredChild;
  /** Resolves when it has ended by itself. */
  readonly counts: Promise<LoadCounts>;
}

let loads = 0;

/** Starts a sender in a process of its own; no two of one bench send the same ids. */
export const startLoad = (otlp: string, spansPerSecond: number, seconds: number): SteadyLoad => {
  loads += 1;
  const args = [otlp, spansPerSecond, seconds, loads].map(String);
  const child = startOurs(['test/bench/load-sender.ts', ...args], {});
  const counts = new Promise<LoadCounts>((resolve, reject) => {
    child.child.once('close', (code) => {
      const line = child.output().trim().split('\n').at(-1) ?? '';
      if (code === 0) resolve(JSON.parse(line));
      else reject(new Error(`the sender ended with ${code}: ${child.output()}`));
    });
  });
  return { child, counts };
};
