import { ownServices, readCompose } from './compose.ts';
import type { EngineServer } from './engine-server.ts';
import { freePort, type Site, startTacho, type Tacho, until } from './tacho.ts';

/** Where a service of docker-compose.yml runs here instead of in its container. */
export interface Place {
  readonly site: Site;
  /** Folder with the program. */
  readonly home: string;
  readonly brokers: readonly string[];
  readonly engine: EngineServer;
}

/** A service in a process of its own, with its door of probes. */
export interface ServiceProcess extends Tacho {
  readonly name: string;
  /** Base URL of /healthz, /readyz and /metrics. */
  readonly probes: string;
}

/** What stands for the network and the secrets of the containers. */
const overridesOf = (place: Place, given: Readonly<Record<string, string>>): Readonly<Record<string, string>> => ({
  TACHO_KAFKA_BROKERS: place.brokers.join(','),
  TACHO_CLICKHOUSE_URL: place.engine.url,
  TACHO_CLICKHOUSE_USER: place.engine.user,
  // The receiver is given none.
  TACHO_CLICKHOUSE_PASSWORD: given['TACHO_CLICKHOUSE_PASSWORD_FILE'] === '/dev/null' ? '' : place.engine.password,
  TACHO_ACCESS_TOKENS_FILE: '',
  TACHO_RECEIVER_HOST: '127.0.0.1',
  TACHO_API_HOST: '127.0.0.1',
  TACHO_ALERTS_PUBLIC_URL: place.site.api,
});

/** Starts a service as docker-compose.yml has it: its command, its variables, but loopback and this place's ports. */
export const startService = async (
  place: Place,
  name: string,
  extra: Readonly<Record<string, string>> = {},
): Promise<ServiceProcess> => {
  const service = ownServices(readCompose()).find(([key]) => key === name)?.[1];
  if (service?.command === undefined) throw new Error(`docker-compose.yml has no service ${name} of ours`);
  const { TACHO_CLICKHOUSE_PASSWORD_FILE: _, ...given } = service.environment ?? {};
  const port = String(await freePort());
  const env = {
    ...given,
    ...overridesOf(place, service.environment ?? {}),
    // What the site says outranks compose: ports, config, data folder, log level.
    ...place.site.env,
    TACHO_HEALTH_PORT: port,
    ...extra,
  };
  return { ...startTacho(place.site, service.command, env, place.home), name, probes: `http://127.0.0.1:${port}` };
};

/** Waits until a service says that it can do its work. */
export const untilServiceReady = async (service: ServiceProcess): Promise<void> => {
  await until(`${service.name} is ready`, async () => {
    if (service.child.exitCode !== null)
      throw new Error(`${service.name} exited ${service.child.exitCode}:\n${service.output()}`);
    return (await fetch(`${service.probes}/readyz`)).ok ? true : null;
  });
};
