import { RULE_MODES, SEVERITIES } from '../../../../schemas/policy-violation.ts';
import { decodeCursor } from '../../cursor.ts';
import { rulesetInForce } from '../../policy-reads.ts';
import { type RulesetRow, rulesetsQuery } from '../../queries/policies.ts';
import {
  REVIEW_STATES,
  type ViolationCountRow,
  type ViolationRow,
  violationCountsQuery,
  violationCursor,
  violationsQuery,
} from '../../queries/violations.ts';
import { read } from '../../reads.ts';
import { pageOf } from '../../routes/inputs.ts';
import { plural, when } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { severityBadge } from '../severity.ts';
import { kept, linkTo, RANGES, runLink, type View } from '../view.ts';
import { filterChips } from './filter-chips.ts';
import { whyNoRules } from './policies.ts';
import { readTenants } from './tenants.ts';

const VIOLATIONS_OF_PAGE = 50;
const FILTERS = ['rule', 'severity', 'mode', 'agent', 'run', 'review'] as const;

const oneOf = <T extends string>(known: readonly T[], asked: string | undefined): T | undefined =>
  known.find((name) => name === asked);

const filtersOf = ({ params }: View) => ({
  rule: params['rule'] || undefined,
  severity: oneOf(SEVERITIES, params['severity']),
  mode: oneOf(RULE_MODES, params['mode']),
  agent: params['agent'] || undefined,
  run: params['run'] || undefined,
  review: oneOf(REVIEW_STATES, params['review']),
});

/** Violations with filters that are links: what, how bad, which rule, who, in which run, since when. */
export const violationsPage = async (view: View): Promise<string> => {
  const { context, tenant, range, params } = view;
  const filters = filtersOf(view);
  const cursor = decodeCursor(params['cursor'] ?? '') ?? undefined;
  const [found, counts, rulesets, tenants] = await Promise.all([
    read<ViolationRow>(context, violationsQuery({ ...filters, tenant, range, cursor, limit: VIOLATIONS_OF_PAGE })),
    read<ViolationCountRow>(context, violationCountsQuery({ ...filters, tenant, range })),
    read<RulesetRow>(context, rulesetsQuery()),
    readTenants(view),
  ]);
  const shown = pageOf(found, VIOLATIONS_OF_PAGE, violationCursor);
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  return page(view, {
    title: 'Violations',
    tenants,
    hasRange: true,
    body: html`${answer(view, counts, rulesetInForce(rulesets) !== null)}<section class="wide"><header><h2>${isFiltered ? 'Matching violations' : 'Violations'}</h2><span class="note">newest first</span></header>
${filterChips(view, FILTERS, [{ name: 'review', value: 'none', label: 'not reviewed' }])}
${shown.rows.length > 0 ? violationsTable(view, shown.rows) : empty(view, isFiltered, rulesets)}
<nav class="pages" aria-label="Pages of violations">${cursor !== undefined && html`<a href="${linkTo('/violations', { ...params, cursor: undefined })}">Newest</a>`}${shown.nextCursor !== null && html`<a rel="next" href="${linkTo('/violations', { ...params, cursor: shown.nextCursor })}">Older</a>`}</nav></section>`,
  });
};

const sumOf = (counts: readonly ViolationCountRow[], key: 'violations' | 'unreviewed'): number =>
  counts.reduce((sum, row) => sum + row[key], 0);

/** Rules a summary names. */
const RULES_SHOWN = 8;

/** Without rules nothing was judged, and none found is not zero. */
const answer = (view: View, counts: readonly ViolationCountRow[], isJudging: boolean): Html => {
  const total = sumOf(counts, 'violations');
  const bySeverity = [...SEVERITIES].reverse().flatMap((severity) => {
    const count = sumOf(
      counts.filter((row) => row.severity === severity),
      'violations',
    );
    return count === 0
      ? []
      : [
          html`<a class="dim" href="${filtered(view, { severity })}">${severityBadge(severity)} <strong>${count.toLocaleString('en-US')}</strong></a>`,
        ];
  });
  return html`<section class="answer"><div class="lead"><h1>Violations, ${RANGES[view.range.name].words}</h1><p class="hero">${total === 0 && !isJudging ? 'Not judged' : total.toLocaleString('en-US')}</p>
<p class="note">${total === 0 ? (isJudging ? 'none found' : 'no rule set is in force') : `${sumOf(counts, 'unreviewed').toLocaleString('en-US')} not reviewed`}</p></div>
${
  total > 0 &&
  html`<div class="tally"><p>${bySeverity.map((badge) => html`<span>${badge}</span>`)}</p>
<ul class="rules">${ofRules(counts).map(([rule, count]) => html`<li><a class="chip" href="${filtered(view, { rule })}">${rule} <strong>${count.toLocaleString('en-US')}</strong></a></li>`)}</ul></div>`
}</section>`;
};

const ofRules = (counts: readonly ViolationCountRow[]): readonly (readonly [string, number])[] =>
  [...Map.groupBy(counts, (row) => row.rule_id)]
    .map(([rule, rows]) => [rule, sumOf(rows, 'violations')] as const)
    .sort((a, b) => b[1] - a[1])
    .slice(0, RULES_SHOWN);

const filtered = (view: View, filter: Readonly<Record<string, string>>): string =>
  linkTo('/violations', { ...view.params, cursor: undefined, ...filter });

/** Link to one violation; its tenant goes along. */
export const violationLink = (
  view: View,
  violation: { readonly tenant_id: string; readonly violation_id: string },
): string =>
  linkTo(`/violations/${encodeURIComponent(violation.violation_id)}`, { ...kept(view), tenant: violation.tenant_id });

const REVIEW_WORDS: Readonly<Record<string, string>> = {
  confirm: 'confirmed',
  dismiss: 'dismissed',
  except: 'excepted',
};

/** The newest word about a violation, with who said it and until when. */
export const reviewWords = (view: View, violation: ViolationRow): Fragment => {
  if (violation.review === null) return html`<span class="quiet">not reviewed</span>`;
  const words = REVIEW_WORDS[violation.review] ?? violation.review;
  return html`${words} <span class="quiet">by ${violation.reviewed_by}${violation.excepted_until !== null && html`, until ${when(violation.excepted_until, view.nowMs)}`}</span>`;
};

/** Violations as a table; every cell that is a dimension filters by a click. */
export const violationsTable = (view: View, rows: readonly ViolationRow[]): Html => {
  const isMany = view.tenant === null && new Set(rows.map((row) => row.tenant_id)).size > 1;
  return html`<div class="scroll"><table class="listed">
<thead><tr><th scope="col">Severity</th><th scope="col">What</th>${isMany && html`<th scope="col">Tenant</th>`}<th scope="col">Agent</th><th scope="col">Run</th><th scope="col">Mode</th><th scope="col">Review</th><th scope="col" class="n">When</th></tr></thead>
<tbody>${rows.map(
    (row) => html`<tr${(row.review === 'dismiss' || row.review === 'except') && html` class="settled"`}>
<td data-label="Severity"><a class="dim" href="${filtered(view, { severity: row.severity })}">${severityBadge(row.severity)}</a></td>
<td class="name" data-label="What"><a href="${violationLink(view, row)}">${row.title === '' ? row.rule_id : row.title}</a> <a class="dim rule" href="${filtered(view, { rule: row.rule_id })}">${row.rule_id}</a></td>
${isMany && html`<td data-label="Tenant"><a class="dim" href="${filtered(view, { tenant: row.tenant_id })}">${row.tenant_id}</a></td>`}
<td data-label="Agent">${row.agent_name === null ? html`<span class="quiet">${row.service}</span>` : html`<a class="dim" href="${filtered(view, { agent: row.agent_name })}">${row.agent_name}</a>`}</td>
<td data-label="Run"><a class="mono" href="${runLink(view, row)}" title="${row.run_id}">${row.run_id.slice(0, 8)}</a></td>
<td data-label="Mode"><a class="dim" href="${filtered(view, { mode: row.mode })}">${row.mode}</a></td>
<td data-label="Review">${reviewWords(view, row)}</td>
<td class="n" data-label="When">${when(row.ts, view.nowMs)}</td>
</tr>`,
  )}</tbody></table></div>`;
};

const empty = (view: View, isFiltered: boolean, rulesets: readonly RulesetRow[]): Html => {
  const wider =
    view.range.name !== '30d' &&
    html` <a href="${linkTo('/violations', { ...view.params, range: '30d' })}">Look at 30 days</a>.`;
  if (isFiltered) {
    return html`<p class="quiet pad">No violation matches.${wider} <a href="${linkTo('/violations', kept(view))}">Clear the filters</a>.</p>`;
  }
  const inForce = rulesetInForce(rulesets);
  if (inForce === null)
    return html`<div class="pad">${whyNoRules(rulesets)}<p><a href="${linkTo('/connect', kept(view))}">Connect an agent</a></p></div>`;
  return html`<p class="pad">None in the ${RANGES[view.range.name].words}.${wider} <span class="quiet">${plural(inForce.rules, 'rule')} in force since ${when(inForce.loaded_at, view.nowMs)}. <a href="${linkTo('/policies', kept(view))}">Where they cannot judge</a>.</span></p>`;
};
