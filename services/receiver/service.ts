import type { Access } from '../runtime/access.ts';
import { createByteBudget } from '../runtime/http/byte-budget.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, EventLog, Health, Logger, Random, Service } from '../runtime/ports.ts';
import type { Refusal } from './answers.ts';
import type { DoorDeps } from './door.ts';
import { createGrpcDoor } from './grpc-door.ts';
import { createHttpDoor } from './http-door.ts';
import { createIntake } from './intake.ts';

export interface ReceiverSettings {
  readonly host: string;
  /** OTLP/HTTP; 0 takes any free port. */
  readonly port: number;
  /** OTLP/gRPC; 0 takes any free port. */
  readonly grpcPort: number;
  /** Of a body as sent, and after decompression. */
  readonly bodyBytesMax: number;
  /** Bytes held by requests not yet answered, over both doors; beyond it senders are told to come back. */
  readonly inFlightBytesMax: number;
}

export interface ReceiverDeps {
  readonly log: EventLog;
  readonly access: Access;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Why nothing may be taken now; '' when it may. Absent: nobody but the log itself says no. */
  readonly stopped?: () => string;
}

export interface Receiver extends Service {
  readonly address: () => { readonly port: number; readonly grpcPort: number };
  readonly openRequests: () => number;
  /** When the last request with items in it was made durable, milliseconds since 1970; null before the first. */
  readonly lastAcceptedMs: () => number | null;
}

/** Open requests get this long at drain. */
const DRAIN_MS = 10_000;

/** OTLP, over HTTP and gRPC, to the event log. Says yes only after `log.append` resolved: then the data is durable. No state. */
export const createReceiver = (settings: ReceiverSettings, deps: ReceiverDeps): Receiver => {
  const { access, logger, metrics } = deps;
  let state: 'starting' | 'ok' | 'draining' | 'stopped' = 'starting';
  let open = 0;
  const intake = createIntake(deps);
  const stopped = deps.stopped ?? (() => '');
  const turnedAway = (): Refusal | null => {
    if (state !== 'ok') return intake.busy('the receiver is going down: send again later');
    return stopped() === '' ? null : intake.busy(`${stopped()}: send again later`);
  };
  const doorDeps: DoorDeps = {
    intake,
    access,
    metrics,
    bodyBytesMax: settings.bodyBytesMax,
    openShare: createByteBudget(settings.inFlightBytesMax, (bytes) => metrics.gauge('receiver_in_flight_bytes', bytes)),
    turnedAway,
    track: (answered, cut) => {
      open += 1;
      answered
        .catch((error: unknown) => {
          logger.error({ err: error }, 'a request failed on a bug of ours');
          cut();
        })
        .finally(() => {
          open -= 1;
        });
    },
  };
  const http = createHttpDoor({ host: settings.host, port: settings.port }, doorDeps);
  const grpc = createGrpcDoor({ host: settings.host, port: settings.grpcPort }, doorDeps);

  const drain = async (): Promise<void> => {
    state = 'draining';
    await Promise.all([http.drain(DRAIN_MS), grpc.drain(DRAIN_MS)]);
    state = 'stopped';
  };

  const health = (): Health => {
    if (state === 'starting') return { state, detail: 'not listening yet' };
    if (state !== 'ok') return { state: 'stopped', detail: 'drained' };
    const problem = stopped() === '' ? intake.problem() : stopped();
    return problem === '' ? { state: 'ok', detail: '' } : { state: 'degraded', detail: problem };
  };

  return {
    name: 'receiver',
    start: async () => {
      try {
        await http.listen();
        await grpc.listen();
      } catch (error) {
        await drain();
        throw error;
      }
      state = 'ok';
      const { host } = settings;
      logger.info({ host, port: http.port(), grpc_port: grpc.port() }, 'receiver listens for OTLP/HTTP and OTLP/gRPC');
    },
    health,
    drain,
    address: () => ({ port: http.port(), grpcPort: grpc.port() }),
    openRequests: () => open,
    lastAcceptedMs: intake.lastAcceptedMs,
  };
};
