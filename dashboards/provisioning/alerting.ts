import { pageRules } from '../rules/pages.ts';
import { pipelineRules } from '../rules/pipeline.ts';
import { fileGroupOf } from '../rules/rule.ts';
import { type Contact, contactPointsFile, policiesFile } from './notifications.ts';

/** Who pages about budgets and violations. */
export type Pager = 'tachograph' | 'grafana';

/**
 * `alerting/page-rules.yaml`: the rules, or their removal, never both. Grafana keeps a rule that no file names any more,
 * so the other position must remove what this one provisioned.
 */
export const pageRulesFile = (pager: Pager) => {
  switch (pager) {
    case 'grafana':
      return { apiVersion: 1, groups: [fileGroupOf(pageRules)] };
    case 'tachograph':
      return { apiVersion: 1, deleteRules: pageRules.rules.map(({ uid }) => ({ orgId: 1, uid })) };
  }
};

/** The folder `alerting/`, by file name. */
export const alertingFiles = (pager: Pager, contacts: readonly Contact[]): Readonly<Record<string, unknown>> => ({
  'contact-points.yaml': contactPointsFile(contacts),
  'page-rules.yaml': pageRulesFile(pager),
  'pipeline-rules.yaml': { apiVersion: 1, groups: [fileGroupOf(pipelineRules)] },
  'policies.yaml': policiesFile(),
});
