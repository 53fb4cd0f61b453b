import { outageText } from './outages.ts';
import { pageRules } from './pages.ts';
import { pipelineRules } from './pipeline.ts';
import type { RuleSpec } from './rule.ts';

const sectionOf = (rule: RuleSpec): string =>
  `## ${rule.uid}

**${rule.title.replace('Tachograph: ', '')}** (${rule.severity}). ${rule.meaning}

Look:

${rule.look.map((line) => `- ${line}`).join('\n')}

Do:

${rule.act.map((line) => `- ${line}`).join('\n')}
`;

/** docs/runbook.md: one section a rule, from the rules themselves, so that none is without. */
export const runbookText = (): string =>
  `# Runbook

<!-- Written by \`node dashboards/build.ts\` from dashboards/rules/. Edit it there. -->

What each alert means, what to look at, what to do. The name of a section is the id of its rule.

# The pipeline itself

${pipelineRules.rules.map(sectionOf).join('\n')}
# Budgets and violations

Rules of Grafana only while \`alerts.pager\` is \`grafana\`; else the alerter notifies about the same.

${pageRules.rules.map(sectionOf).join('\n')}
${outageText}`;
