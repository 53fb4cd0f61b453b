import { TENANT_HEADER } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';
import type { OutgoingRecord } from '../../services/runtime/ports.ts';
import { captures } from './captures.ts';
import { startTestEngine, type TestEngine } from './engine.ts';
import { createPipeline, createPipelineLog, untilDone } from './pipeline.ts';

/**
 * An engine that holds recorded traffic as the whole pipeline stored it, each emitter in a tenant of its name. Without
 * names: every emitter. `more` are records of your own beside them.
 */
export const startCapturedEngine = async (
  emitters?: readonly string[],
  more: readonly OutgoingRecord[] = [],
): Promise<TestEngine> => {
  const engine = await startTestEngine();
  const log = await createPipelineLog();
  const services = createPipeline(log, engine.store, '');
  for (const service of services) await service.start();
  const wanted = captures().filter(({ name }) => emitters === undefined || emitters.includes(emitterOf(name)));
  await log.append([
    ...more,
    ...wanted
      .filter(({ signal }) => signal === 'traces' || signal === 'logs')
      .map(({ name, signal, bytes }) => ({
        topic: signal === 'traces' ? TOPICS.spans : TOPICS.logs,
        key: name,
        value: bytes,
        headers: { [TENANT_HEADER]: emitterOf(name) },
      })),
  ]);
  await untilDone(log, services);
  for (const service of services) await service.drain();
  return engine;
};

const emitterOf = (name: string): string => name.split('/')[0] ?? name;
