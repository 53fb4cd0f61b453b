import { readEvidence } from '../../evidence-access.ts';
import { type IncidentRow, placeOf, violationIncidentsQuery } from '../../queries/incidents.ts';
import { type RuleFileRow, ruleFilesQuery } from '../../queries/policies.ts';
import { type ReviewRow, reviewsQuery, type ViolationDetailRow } from '../../queries/violations.ts';
import { read } from '../../reads.ts';
import { findViolation } from '../../violation-reviews.ts';
import { actForm } from '../acting.ts';
import { evidenceBody, stepLink } from '../evidence.ts';
import { shortId, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { severityBadge } from '../severity.ts';
import { kept, linkTo, runLink, runsLink, type View } from '../view.ts';
import { incidentsTable } from './incidents.ts';
import { readTenants } from './tenants.ts';
import { reviewWords } from './violations.ts';

/** One violation: which rule, by whom, where; then the evidence; then what people said, and the rule as it stood. */
export const violationPage = async (view: View, violationId: string): Promise<string> => {
  const { context } = view;
  const violation = await findViolation(context, view.tenant, violationId);
  const [readable] = await readEvidence(context, view.caller, [violation]);
  const id = { tenant: violation.tenant_id, violationId };
  const [files, reviews, incidents, tenants] = await Promise.all([
    read<RuleFileRow>(context, ruleFilesQuery({ rulesetHash: violation.ruleset_hash, ruleId: violation.rule_id })),
    read<ReviewRow>(context, reviewsQuery(id)),
    violation.mode === 'monitor'
      ? []
      : read<IncidentRow>(context, violationIncidentsQuery(placeOf(violation, violation.rule_id))),
    readTenants(view),
  ]);
  return page(view, {
    title: violation.title === '' ? violation.rule_id : violation.title,
    tenants,
    scripts: ['/assets/act.js'],
    body: html`${head(view, violation)}${reviewForm(view, violation)}
<section class="wide"><header><h2>Evidence</h2><span class="note">${EVIDENCE_WORDS[violation.evidence_level] ?? violation.evidence_level}; redacted</span></header><div class="pad evidence">${readable !== undefined && evidenceBody(view, readable)}</div></section>
${incidents.length > 0 && html`<section class="wide"><header><h2>Incident</h2></header>${incidentsTable(view, incidents)}</section>`}
${reviewsSection(view, reviews)}${ruleSection(view, violation, files)}`,
  });
};

/** How strong the proof is (policy levels), in words. */
const EVIDENCE_WORDS: Readonly<Record<string, string>> = {
  order: 'proof by order: it came before in the run',
  context: 'proof by context: it was in the model’s input',
  value: 'proof by value: the value itself was seen',
};

const head = (view: View, violation: ViolationDetailRow): Html => {
  const step = stepLink(view, violation, violation.step_id, violation.span_id);
  const source = violation.source_span_id && stepLink(view, violation, null, violation.source_span_id);
  const rows: readonly (readonly [string, Fragment])[] = [
    [
      'Rule',
      html`<a href="${linkTo('/violations', { ...kept(view), rule: violation.rule_id })}">${violation.rule_id}</a> <span class="quiet">${violation.rule_version}</span>`,
    ],
    ['Mode', violation.mode],
    ['Happened', when(violation.ts, view.nowMs)],
    [
      'Found',
      html`${when(violation.detected_at, view.nowMs)} <span class="quiet">${violation.detected_by === 'backfill' ? 'later' : 'live'}</span>`,
    ],
    [
      'Agent',
      violation.agent_name &&
        html`<a href="${runsLink(view, { agent: violation.agent_name })}">${violation.agent_name}</a>`,
    ],
    ['Service', html`<a href="${runsLink(view, { service: violation.service })}">${violation.service}</a>`],
    ['Workflow', violation.workflow],
    [
      'On behalf of',
      violation.user_id && html`<a href="${runsLink(view, { user: violation.user_id })}">${violation.user_id}</a>`,
    ],
    ['Run', html`<a href="${runLink(view, violation)}">open</a> ${shortId(violation.run_id, 12)}`],
    ['Step', step && html`<a href="${step}">in its run</a> ${violation.span_id !== '' && shortId(violation.span_id)}`],
    ['Began at', source && html`<a href="${source}">an earlier step</a> ${shortId(violation.source_span_id ?? '')}`],
    ['Review', reviewWords(view, violation)],
  ];
  return html`<section class="run-head">
<p class="crumbs"><a href="${linkTo('/violations', kept(view))}">Violations</a> <span class="quiet">/</span> ${violation.tenant_id} <span class="quiet">/</span> ${shortId(violation.violation_id, 12)}</p>
<h1>${violation.title === '' ? violation.rule_id : violation.title} ${severityBadge(violation.severity)}</h1>
<dl class="facts">${rows.filter(([, value]) => value !== null && value !== '').map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl></section>`;
};

const DAY_MINUTES = 1440;

const reviewForm = (view: View, violation: ViolationDetailRow): Html =>
  actForm(view, {
    path: `/violations/${encodeURIComponent(violation.violation_id)}`,
    tenant: violation.tenant_id,
    comment: 'reason',
    buttons: [
      { action: 'confirm', label: 'Confirm', isMain: true },
      { action: 'dismiss', label: 'Dismiss' },
      {
        action: 'except',
        label: 'Except for',
        requires: 'reason',
        minutes: [
          [7 * DAY_MINUTES, '7 days'],
          [30 * DAY_MINUTES, '30 days'],
          [90 * DAY_MINUTES, '90 days'],
          [365 * DAY_MINUTES, 'a year'],
        ],
      },
    ],
    hint: 'Each word is kept with its name. Rules go on judging: an exception is shown and counted, it holds nothing back yet.',
  });

const WORDS: Readonly<Record<string, string>> = { confirm: 'confirmed', dismiss: 'dismissed', except: 'excepted' };

const reviewsSection = (view: View, reviews: readonly ReviewRow[]): Html =>
  html`<section class="wide"><header><h2>Reviews</h2></header>${
    reviews.length === 0
      ? html`<p class="quiet pad">Nobody has said anything of it yet.</p>`
      : html`<ol class="timeline">${reviews.map((row) => html`<li><span class="at">${when(row.at, view.nowMs)}</span> <div><strong>${row.actor}</strong> ${WORDS[row.review] ?? row.review}${row.until !== null && html` until ${when(row.until, view.nowMs)}`}${row.comment !== '' && html`<p class="said-text">${row.comment}</p>`}</div></li>`)}</ol>`
  }</section>`;

const ruleSection = (view: View, violation: ViolationDetailRow, files: readonly RuleFileRow[]): Html =>
  html`<section class="wide"><header><h2>The rule, as it stood</h2><span class="note">rule set ${shortId(violation.ruleset_hash)}</span></header>${
    files.length === 0
      ? html`<p class="quiet pad">The rule set that judged is not stored (any more), or the rule is one of the built-in detectors. <a href="${linkTo('/policies', kept(view))}">Rule sets</a></p>`
      : files.map(
          (file, index) =>
            html`<details class="map pad"${index === 0 && html` open`}><summary>${file.file} <span class="quiet">loaded ${when(file.loaded_at, view.nowMs)}</span></summary><pre class="source" tabindex="0">${file.text}</pre></details>`,
        )
  }</section>`;
