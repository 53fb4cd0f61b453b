import { type Environment, EvaluationError } from '@marcbachmann/cel-js';
import type { Meter } from './meter.ts';
import { findsPattern, patternCost } from './pattern.ts';

/** Methods that look at a whole text. They go to versions of ours, which count what they cost. */
export const METERED: ReadonlySet<string> = new Set([
  ...['contains', 'startsWith', 'endsWith', 'matches', 'lowerAscii', 'upperAscii', 'trim', 'split'],
]);

const SUFFIX = '_metered';
/** Name of our own method behind one of `METERED`: no rule can write it, for it is not in the profile. */
export const meteredName = (name: string): string => `${name}${SUFFIX}`;
/** Takes our names out of what the library says. */
export const withoutMetered = (message: string): string => message.replaceAll(SUFFIX, '');

/** More parts are a table in a text. */
const PARTS_MAX = 1_000;

/** Adds the metered methods to an environment. */
export const registerMeteredMethods = (env: Environment, { charge }: Meter): void => {
  const onText = (name: string, of: (text: string) => string): void => {
    env.registerFunction(`string.${meteredName(name)}(): string`, (text: string) => {
      charge(text.length);
      return of(text);
    });
  };
  const onTexts = (name: string, of: (text: string, other: string) => boolean): void => {
    env.registerFunction(`string.${meteredName(name)}(string): bool`, (text: string, other: string) => {
      charge(text.length + other.length);
      return of(text, other);
    });
  };
  onText('lowerAscii', (text) => text.toLowerCase());
  onText('upperAscii', (text) => text.toUpperCase());
  onText('trim', (text) => text.trim());
  onTexts('contains', (text, other) => text.includes(other));
  onTexts('startsWith', (text, other) => text.startsWith(other));
  onTexts('endsWith', (text, other) => text.endsWith(other));
  env.registerFunction(`string.${meteredName('matches')}(string): bool`, (text: string, pattern: string) => {
    charge(text.length * patternCost(pattern));
    return findsPattern(text, pattern);
  });
  env.registerFunction(`string.${meteredName('split')}(string): list<string>`, (text: string, separator: string) => {
    charge(text.length);
    const parts = text.split(separator, PARTS_MAX + 1);
    if (parts.length > PARTS_MAX) throw new EvaluationError(`split gives more than ${PARTS_MAX} parts`);
    return parts;
  });
};
