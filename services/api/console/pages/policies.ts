import { isRefused, type Policies, readPolicies, rulesetInForce } from '../../policy-reads.ts';
import type { RulesetRow } from '../../queries/policies.ts';
import { plural, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { status } from '../parts.ts';
import type { View } from '../view.ts';
import { coverageSection, rulesSection } from './policy-rules.ts';
import { readTenants } from './tenants.ts';

/** What judges, and where it cannot: the rule set in force, what was refused, and what the telemetry lacks. */
export const policiesPage = async (view: View): Promise<string> => {
  const { context, tenant, range } = view;
  const [policies, tenants] = await Promise.all([readPolicies(context, { tenant, range }), readTenants(view)]);
  const { rulesets, coverage, in_force: inForce } = policies;
  return page(view, {
    title: 'Policies',
    tenants,
    hasRange: true,
    body: html`${answer(view, policies)}${inForce !== null && rulesSection(view, policies)}${inForce !== null && coverageSection(view, coverage)}${rulesets.length > 0 && historySection(view, rulesets)}`,
  });
};

/** Why no rule judges, and what to do. */
export const whyNoRules = (rulesets: readonly RulesetRow[]): Html =>
  html`<div class="prose"><p><strong>No rule set is in force</strong>, so nothing is judged.</p>${
    rulesets.some(isRefused)
      ? html`<p class="warn">The one that was loaded was refused; <a href="/policies">what is wrong with it</a>.</p>`
      : html`<p class="quiet">The policy service loads every file of <code>config/policies/</code>, all or none. Check them with <code>npx tacho policy check</code>.</p>`
  }</div>`;

const answer = (view: View, { rulesets, in_force: inForce, refused }: Policies): Html => {
  return html`<section class="answer"><div class="lead"><h1>Policies</h1>${
    inForce === null
      ? html`<p class="hero small">Not configured</p>${whyNoRules(rulesets)}`
      : html`<p class="hero">${plural(inForce.rules, 'rule')}</p><p class="note">in force since ${when(inForce.loaded_at, view.nowMs)}, rule set ${shortId(inForce.ruleset_hash)}</p>`
  }</div>${refused !== null && refusedPart(view, refused)}</section>`;
};

/** Problems that are shown; a broken file can have hundreds. */
const PROBLEMS_SHOWN = 20;

const refusedPart = (view: View, ruleset: RulesetRow): Html =>
  html`<div class="problems"><p>${status('error', 'The newest rule set was refused')} <span class="quiet">${when(ruleset.loaded_at, view.nowMs)}; the one before it stays in force</span></p><ul>${ruleset.problems.slice(0, PROBLEMS_SHOWN).map((problem) => html`<li><code>${problem}</code></li>`)}</ul>${ruleset.problems.length > PROBLEMS_SHOWN && html`<p class="quiet">and ${ruleset.problems.length - PROBLEMS_SHOWN} more</p>`}</div>`;

const historySection = (view: View, rulesets: readonly RulesetRow[]): Html => {
  const inForce = rulesetInForce(rulesets);
  return html`<section class="wide"><header><h2>Rule sets</h2><span class="note">newest first</span></header><div class="scroll"><table class="listed"><thead><tr><th scope="col">State</th><th scope="col">Rule set</th><th scope="col" class="n">Rules</th><th scope="col">Files</th><th scope="col" class="n">Problems</th><th scope="col" class="n">Loaded</th></tr></thead>
<tbody>${rulesets.map((row) => html`<tr><td data-label="State">${isRefused(row) ? status('error', 'refused') : row === inForce ? status('ok', 'in force') : status('unset', 'replaced')}</td><td data-label="Rule set">${shortId(row.ruleset_hash)}</td><td class="n" data-label="Rules">${row.rules}</td><td class="name" data-label="Files">${row.file_names.join(', ')}</td><td class="n" data-label="Problems">${row.problems.length}</td><td class="n" data-label="Loaded">${when(row.loaded_at, view.nowMs)}</td></tr>`)}</tbody></table></div></section>`;
};
