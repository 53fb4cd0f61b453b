import { createHealthDoor, type HealthCheck, type HealthDoor } from '../runtime/http/health-door.ts';
import type { Adapters } from './composition.ts';
import type { World } from './world.ts';

/**
 * The door of probes of a process that runs alone, when the config has one; to be opened first and closed last, so that
 * it can tell how it goes. [] when it has none.
 */
export const healthDoorsOf = (
  world: World,
  access: Adapters['access'],
  look: () => Promise<readonly HealthCheck[]>,
): readonly HealthDoor[] => {
  const { health } = world.config;
  return health.port === 0 ? [] : [createHealthDoor(health, { ...world, access, look })];
};
