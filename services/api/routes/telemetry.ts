import { z } from 'zod';
import { SEVERITIES } from '../telemetry/finding.ts';
import { readTelemetry } from '../telemetry/read.ts';
import { tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { momentInput, rangeOf, tenantInput } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { rangeShape } from './shapes.ts';

const known = z.number().nullable().describe('null: unknown, or nothing of the kind.');

const getTelemetry = defineRoute({
  method: 'GET',
  path: '/telemetry',
  summary:
    'What the telemetry of each service and emitter lacks or gets wrong, how many calls it touches, and the fix.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    tenant: tenantInput,
    from: momentInput('Telemetry stored at or after this moment; default: 24 hours before `to`.'),
    to: momentInput('Telemetry stored before this moment; default: now.'),
  }),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    findings: z.array(
      z.object({
        id: z.string(),
        severity: z.enum(SEVERITIES),
        title: z.string(),
        effect: z.string(),
        senders: z.array(
          z.object({
            tenant_id: z.string(),
            service: z.string(),
            family: z.string(),
            calls: known,
            calls_of_sender: known,
            steps: known,
            example_run_id: z.string().nullable(),
            detail: z.string(),
            fix: z.string(),
          }),
        ),
      }),
    ),
    senders: z.array(
      z.object({
        tenant_id: z.string(),
        service: z.string(),
        family: z.string(),
        calls: known,
        steps: z.number(),
      }),
    ),
  }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    const report = await readTelemetry(context.store, { tenant: tenantScope(caller, query.tenant), ...range });
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      findings: report.findings.map(({ finding, rows }) => ({
        id: finding.id,
        severity: finding.severity,
        title: finding.title,
        effect: finding.effect,
        senders: rows.map((row) => ({ ...row })),
      })),
      senders: report.senders.map((sender) => ({ ...sender })),
    };
  },
});

export const telemetryRoutes: readonly Route[] = [getTelemetry];
