import { z } from 'zod';
import { readPolicies } from '../policy-reads.ts';
import type { RulesetRow } from '../queries/policies.ts';
import { tenantScope } from '../tenant-scope.ts';
import { isoOf } from '../time.ts';
import { momentInput, rangeOf, tenantInput } from './inputs.ts';
import { defineRoute, noBody, noParams, type Route } from './route.ts';
import { rangeShape } from './shapes.ts';

const rulesetShape = z.object({
  ruleset_hash: z.string(),
  state: z.string().describe('in_force or refused, when it was loaded.'),
  rules: z.number(),
  files: z.array(z.string()),
  problems: z.array(z.string()).describe('Of a refused set: file, line and reason.'),
  loaded_at: z.string(),
});

const ruleShape = z.object({
  rule_id: z.string(),
  rule_version: z.string(),
  kind: z.enum(['Rule', 'Detector']),
  title: z.string().describe('As written, with its placeholders.'),
  description: z.string().nullable(),
  severity: z.string().nullable().describe('null: a detector, whose levels have each their own.'),
  mode: z.string(),
  file: z.string(),
  violations: z.number().describe('In the range.'),
  steps: z.number().describe('Steps of the range of the kinds it looks at.'),
  lacking: z.number().describe('Steps of them it could not judge.'),
  errors: z.number(),
  not_configured: z
    .array(z.object({ list: z.string(), steps: z.number() }))
    .describe('Lists (cfg.…) it needs and did not have, and how many steps met it without.'),
});

const coverageShape = z.object({
  rule_id: z.string(),
  family: z.string(),
  field: z.string().describe('What was lacking; empty: the rule as a whole.'),
  steps: z.number(),
  lacking: z.number(),
  errors: z.number(),
});

const rulesetJson = ({ file_names, problems, ...ruleset }: RulesetRow) => ({
  ...ruleset,
  files: [...file_names],
  problems: [...problems],
});

const getPolicies = defineRoute({
  method: 'GET',
  path: '/policies',
  summary: 'The rule set in force and its rules, the newest set if it was refused, and where rules cannot judge.',
  needs: 'read',
  params: noParams,
  query: z.strictObject({
    tenant: tenantInput,
    from: momentInput('Violations and coverage from here; default: 24 hours before `to`.'),
    to: momentInput('Default: now.'),
  }),
  body: noBody,
  answer: z.object({
    range: rangeShape,
    in_force: rulesetShape.nullable().describe('null: nothing is judged.'),
    refused: rulesetShape.nullable().describe('The newest set, when it was refused; the one before stays in force.'),
    rules: z.array(ruleShape).describe('Of the set in force, those with most violations first.'),
    coverage: z.array(coverageShape),
  }),
  run: async ({ caller, query }, context) => {
    const range = rangeOf(query, context.clock.nowMs());
    const { in_force, refused, rules, coverage } = await readPolicies(context, {
      tenant: tenantScope(caller, query.tenant),
      range,
    });
    return {
      range: { from: isoOf(range.fromMs), to: isoOf(range.toMs) },
      in_force: in_force === null ? null : rulesetJson(in_force),
      refused: refused === null ? null : rulesetJson(refused),
      rules: rules.map((rule) => ({ ...rule, not_configured: [...rule.not_configured] })),
      coverage: [...coverage],
    };
  },
});

export const policyRoutes: readonly Route[] = [getPolicies];
