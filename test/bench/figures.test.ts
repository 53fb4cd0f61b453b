import { expect, test } from 'vitest';
import { seeded } from '../support/random.ts';
import { type CpuProfile, stageMicros } from './cpu-stages.ts';
import { median, percentile, slope } from './statistics.ts';

test('a percentile is a value that was measured: p99 of a hundred is the ninety-ninth', () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)]).toEqual([50, 99, 100]);
  expect([percentile([7], 0.99), percentile([], 0.99)]).toEqual([7, 0]);
});

test('a median is not moved by one bad round', () => {
  expect(median([10, 9_000, 11])).toBe(11);
});

test('a slope is the growth per unit, whatever the points begin at', () => {
  expect(
    slope([
      [100, 5],
      [101, 7],
      [102, 9],
    ]),
  ).toBeCloseTo(2);
  expect(slope([[1, 1]])).toBe(0);
});

test('a seeded stream is the same for the same seed and within [0, 1)', () => {
  const draw = (seed: number): readonly number[] => {
    const random = seeded(seed);
    return Array.from({ length: 1_000 }, () => random());
  };
  expect(draw(5)).toEqual(draw(5));
  expect(draw(5)).not.toEqual(draw(6));
  expect(draw(5).every((value) => value >= 0 && value < 1)).toBe(true);
});

const node = (id: number, functionName: string, url: string, children: readonly number[] = []) => ({
  id,
  callFrame: { functionName, url, lineNumber: 0 },
  children,
});

test('a sample is its innermost file with a stage; what Node does is its caller’s; idle time is nobody’s', () => {
  const profile: CpuProfile = {
    nodes: [
      node(1, '(root)', '', [2, 6, 7, 8]),
      node(2, 'build', 'file:///p/services/normalizer/processor.ts', [3]),
      node(3, 'decode', 'file:///p/schemas/otlp/decode.ts', [4, 5]),
      node(4, 'slice', 'node:buffer'),
      node(5, '(garbage collector)', ''),
      node(6, '(idle)', ''),
      node(7, 'produce', 'file:///p/node_modules/kafkajs/src/producer/index.js', [9]),
      node(8, 'onData', 'file:///p/node_modules/kafkajs/src/network/connection.js'),
      node(9, 'write', 'file:///p/node_modules/kafkajs/src/protocol/encoder.js'),
    ],
    samples: [2, 3, 4, 5, 6, 8, 9],
    timeDeltas: [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
  };
  const micros = Object.fromEntries([...stageMicros(profile)].filter(([, value]) => value > 0));
  expect(micros).toEqual({
    'rows and contents': 1,
    'OTLP decode': 110,
    'garbage collection': 1_000,
    'Kafka: fetch, unpack': 100_000,
    'Kafka: produce steps': 1_000_000,
  });
});
