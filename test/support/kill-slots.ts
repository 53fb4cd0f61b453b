import { setTimeout as delay } from 'node:timers/promises';
import type { Dice } from './random.ts';
import { freePort, type Site, startTacho, type Tacho, until } from './tacho.ts';

/** A process that is killed and started again, at one place with ports of its own. */
export interface Slot {
  readonly name: string;
  readonly tacho: () => Tacho;
  /** SIGKILL, then a start; resolves when the new process was started, ready or not. */
  readonly kill: (downMs: number) => Promise<void>;
  /** SIGTERM; resolves with the exit code once it ended. */
  readonly stop: () => Promise<number | null>;
  readonly untilReady: () => Promise<void>;
}

/** A machine that runs eight other things takes its time. */
const READY_MAX_MS = 180_000;

/**
 * What a service says when it ends because its store or broker was away at its start. Whoever runs it starts it again,
 * as Kubernetes and systemd do.
 */
const IS_ALONE = /does not answer/;

/** Starts `tacho …` in a slot. `readyUrl` answers 200 when it works. */
export const startSlot = (
  name: string,
  site: Site,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  readyUrl: string,
): Slot => {
  let tacho = startTacho(site, args, env);
  return {
    name,
    tacho: () => tacho,
    kill: async (downMs) => {
      tacho.kill('SIGKILL');
      await tacho.exited;
      await delay(downMs);
      tacho = startTacho(site, args, env);
    },
    stop: async () => {
      tacho.kill('SIGTERM');
      return tacho.exited;
    },
    untilReady: async () => {
      const fault = await until(
        `${name} is ready`,
        async () => {
          if (tacho.child.exitCode === null) return (await fetch(readyUrl)).ok ? '' : null;
          const isAlone = tacho.child.exitCode === 1 && IS_ALONE.test(tacho.output());
          if (!isAlone) return `it exited ${tacho.child.exitCode}`;
          tacho = startTacho(site, args, env);
          return null;
        },
        READY_MAX_MS,
      ).catch(String);
      if (fault !== '') throw new Error(`${name} is not ready: ${fault}\n${tacho.output()}`);
    },
  };
};

/** Starts one service in a process of its own; a receiver gets ports of its own as well. */
export const startServiceSlot = async (
  name: string,
  service: string,
  site: Site,
): Promise<Slot & { readonly otlp: string }> => {
  const [health, http, grpc] = [await freePort(), await freePort(), await freePort()];
  const env = {
    TACHO_HEALTH_PORT: `${health}`,
    TACHO_RECEIVER_HTTP_PORT: `${http}`,
    TACHO_RECEIVER_GRPC_PORT: `${grpc}`,
  };
  const slot = startSlot(name, site, [service], env, `http://127.0.0.1:${health}/readyz`);
  return { ...slot, otlp: `http://127.0.0.1:${http}` };
};

/** Whoever ends a long run of kills leaves no process behind. */
export const endWithUs = (slots: () => readonly Slot[]): void => {
  process.once('exit', () => {
    for (const slot of slots()) slot.tacho().kill('SIGKILL');
  });
};

/** Something that can be killed, with its share of the kills. */
export interface Target {
  readonly name: string;
  readonly weight: number;
  readonly kill: (dice: Dice) => Promise<void>;
}

/** Picks by weight. */
export const pickTarget = (dice: Dice, targets: readonly Target[]): Target => {
  let left = dice.float() * targets.reduce((sum, target) => sum + target.weight, 0);
  for (const target of targets) {
    left -= target.weight;
    if (left < 0) return target;
  }
  return dice.pick(targets);
};
