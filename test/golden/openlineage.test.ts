import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OpenLineageEvent, uuidOf } from '../../schemas/openlineage-event.ts';
import { eventsOf } from '../../services/commands/openlineage.ts';
import { startTestEngine, type TestEngine } from '../support/engine.ts';
import { capturedRecords, createPipeline, createPipelineLog, untilDone } from '../support/pipeline.ts';

const readJson = (path: string): object => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));

const ajv = new Ajv2020.Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
const isRunEvent = ajv.compile(readJson('test/fixtures/openlineage/run-event.schema.json'));
const isRunFacet = ajv.compile(readJson('schemas/openlineage/TachographRunFacet.json'));
const isAgentFacet = ajv.compile(readJson('schemas/openlineage/TachographAgentRunFacet.json'));

/** With sub-agents, files and failures; all of them would take a minute and a half. */
const SOME = /copilot-cli|google-adk|otel-openai|strands/;

let engine: TestEngine;
let events: readonly OpenLineageEvent[];

beforeAll(async () => {
  engine = await startTestEngine();
  const log = await createPipelineLog();
  const services = createPipeline(log, engine.store);
  await log.append(capturedRecords().filter(({ key }) => SOME.test(key ?? '')));
  for (const service of services) await service.start();
  await untilDone(log, services);
  for (const service of services) await service.drain();
  events = await Array.fromAsync(
    eventsOf(engine.store, { fromMs: 0, toMs: Date.parse('2100-01-01T00:00:00Z'), tenant: null }),
  );
}, 300_000);

afterAll(async () => {
  await engine?.close();
});

describe('OpenLineage events of recorded traffic', () => {
  test('every one is a run event by the specification, with facets by their schemas', () => {
    expect(events.length).toBeGreaterThan(50);
    for (const event of events) {
      expect(isRunEvent(event), JSON.stringify(isRunEvent.errors)).toBe(true);
      const { tachograph_run: run, tachograph_agent: agent } = event.run.facets;
      expect(isRunFacet(run), JSON.stringify(isRunFacet.errors)).toBe(true);
      if (agent !== undefined) expect(isAgentFacet(agent), JSON.stringify(isAgentFacet.errors)).toBe(true);
    }
  });

  test('each run and each step of an agent starts once and ends once, and a step names the run above it', async () => {
    const byRun = Map.groupBy(events, ({ run }) => run.runId);
    for (const [id, own] of byRun) {
      const types = own.map(({ eventType }) => eventType).sort();
      expect(
        [
          ['COMPLETE', 'START'],
          ['FAIL', 'START'],
        ],
        id,
      ).toContainEqual(types);
    }
    const runs = await engine.store.query<{ run_id: string }>('SELECT run_id FROM runs FINAL');
    const wanted = runs.map(({ run_id }) => uuidOf(run_id));
    for (const id of wanted) expect(byRun.has(id)).toBe(true);
    const parents = events.flatMap(({ run }) => {
      const parent = run.facets['parent'] as { run: { runId: string } } | undefined;
      return parent === undefined ? [] : [parent.run.runId];
    });
    expect(parents.length).toBeGreaterThan(0);
    for (const id of parents) expect(wanted).toContain(id);
  });

  test('what a run read and wrote stands on its last event, by namespace and name', () => {
    const files = events.flatMap(({ inputs }) => inputs).filter(({ namespace }) => namespace === 'file');
    expect(files.map(({ name }) => name)).toContain('/srv/agents/emitters/copilot/data/order.txt');
  });
});
