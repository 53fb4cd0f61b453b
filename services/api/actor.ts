import type { Caller } from '../runtime/access.ts';
import { problem } from './problem.ts';

/** Longest name of a person that is kept. */
export const ACTOR_CHARS_MAX = 64;

/** Nobody showed a token: a caller on this machine. */
export const isTokenless = (headers: Readonly<Record<string, string | string[] | undefined>>): boolean =>
  (headers['authorization'] ?? '') === '';

/**
 * In whose name something is done. A token is its name, and nobody else's: 400 for another. On this machine nobody
 * proves who they are, so the name given is taken as said, `local` without one.
 */
export const actorOf = (
  caller: Caller,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  given: string | undefined,
): string => {
  if (isTokenless(headers)) return given ?? 'local';
  if (given === undefined || given === caller.actor) return caller.actor;
  throw problem(400, `this token acts as ${caller.actor}; leave actor away`, { in: 'body', parameter: 'actor' });
};
