import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { encodeLogs, encodeTraces } from '../../schemas/otlp/encode.ts';
import type { RecordedRequest } from '../demo/rewrite.ts';
import { type Capture, createDemo, type DemoProgress } from '../demo/service.ts';
import { TransportError } from '../runtime/errors.ts';
import { type OtlpPayload, sendOtlp } from '../runtime/otlp-sender.ts';
import type { Service } from '../runtime/ports.ts';
import { listFiles, readPayloads } from './payload-files.ts';
import type { World } from './world.ts';

/** Tenant of everything the demo sends. */
export const DEMO_TENANT = 'demo';

/**
 * Emitters played by the demo. Left out: recordings that are mostly plumbing (codex: 1,178 spans for one task), that
 * are not OTLP (openai-agents-native), or that repeat one of these with other options.
 */
const EMITTERS: readonly string[] = [
  'copilot-cli',
  'gemini-cli',
  'genkit',
  'google-adk',
  'langfuse',
  'lmnr',
  'mastra',
  'openai-agents-openinference',
  'openinference-langchain',
  'openlit',
  'openllmetry',
  'otel-openai',
  'strands',
  'vercel-ai7',
];

const FIXTURES = join(import.meta.dirname, '..', '..', 'test', 'fixtures', 'captures');
const RETRY_FOR_MS = 600_000;

/** The demo over the recordings that ship with the project, sending to the receiver of this config. */
export const demoOf = (world: World): Service => {
  const settings = {
    url: `http://127.0.0.1:${world.config.receiver.http_port}`,
    tenant: DEMO_TENANT,
    token: null,
    retryForMs: RETRY_FOR_MS,
  };
  let demo: Service | null = null;
  return {
    name: 'demo',
    start: async () => {
      demo = createDemo(await loadCaptures(), {
        clock: world.clock,
        logger: world.logger,
        progress: progressIn(world.config.data.dir),
        encode,
        send: async (payload, signal) => {
          const answer = await sendOtlp(settings, payload, world.clock, signal);
          if (answer.status >= 400) throw new TransportError('HTTP_UNAVAILABLE', answer.message, { retryable: false });
        },
      });
      await demo.start();
    },
    health: () => demo?.health() ?? { state: 'starting', detail: 'not yet started' },
    drain: async () => demo?.drain(),
  };
};

const loadCaptures = async (): Promise<readonly Capture[]> => {
  const captures: Capture[] = [];
  for (const name of EMITTERS) {
    const requests: RecordedRequest[] = [];
    for (const file of listFiles([join(FIXTURES, name)]))
      for await (const entry of readPayloads(file))
        if (entry.kind === 'payload') requests.push(...decode(entry.payload));
    captures.push({ name, requests });
  }
  return captures;
};

/** Metrics are left out: they repeat the spans and are only counted. */
const decode = (payload: OtlpPayload): readonly RecordedRequest[] => {
  if (payload.signal === 'traces') {
    const decoded = decodeTraces(payload.body);
    return decoded.kind === 'ok' ? [{ signal: 'traces', items: decoded.value.items }] : [];
  }
  const decoded = payload.signal === 'logs' ? decodeLogs(payload.body) : null;
  return decoded?.kind === 'ok' ? [{ signal: 'logs', items: decoded.value.items }] : [];
};

const encode = (request: RecordedRequest): OtlpPayload => ({
  signal: request.signal,
  contentType: 'application/x-protobuf',
  body: request.signal === 'traces' ? encodeTraces(request.items) : encodeLogs(request.items),
});

/** One number in the data folder. Losing it plays slots again under the same ids: recognised, not doubled. */
const progressIn = (dir: string): DemoProgress => {
  const file = join(dir, 'demo-slot');
  return {
    read: () => {
      const slot = existsSync(file) ? Number(readFileSync(file, 'utf8')) : Number.NaN;
      return Number.isSafeInteger(slot) && slot > 0 ? slot : null;
    },
    write: (slot) => {
      mkdirSync(dir, { recursive: true });
      writeFileSync(file, String(slot));
    },
  };
};
