import { type CoverageRow, coverageQuery, type RulesetRow, rulesetsQuery } from '../../queries/policies.ts';
import { read } from '../../reads.ts';
import { compact, percent, plural, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { status } from '../parts.ts';
import { kept, linkTo, RANGES, type View } from '../view.ts';
import { readTenants } from './tenants.ts';

/** What judges, and where it cannot: the rule set in force, what was refused, and what the telemetry lacks. */
export const policiesPage = async (view: View): Promise<string> => {
  const { context, tenant, range } = view;
  const [rulesets, coverage, tenants] = await Promise.all([
    read<RulesetRow>(context, rulesetsQuery()),
    read<CoverageRow>(context, coverageQuery({ tenant, range })),
    readTenants(view),
  ]);
  return page(view, {
    title: 'Policies',
    tenants,
    hasRange: true,
    body: html`${answer(view, rulesets)}${rulesetInForce(rulesets) !== null && coverageSection(view, coverage)}${rulesets.length > 0 && historySection(view, rulesets)}`,
  });
};

const isRefused = (ruleset: RulesetRow): boolean => ruleset.state === 'refused';

/** The newest rule set that was not refused; null: none was ever in force. */
export const rulesetInForce = (rulesets: readonly RulesetRow[]): RulesetRow | null =>
  rulesets.find((ruleset) => !isRefused(ruleset)) ?? null;

/** Why no rule judges, and what to do. */
export const whyNoRules = (rulesets: readonly RulesetRow[]): Html =>
  html`<div class="prose"><p><strong>No rule set is in force</strong>, so nothing is judged.</p>${
    rulesets.some(isRefused)
      ? html`<p class="warn">The one that was loaded was refused; <a href="/policies">what is wrong with it</a>.</p>`
      : html`<p class="quiet">The policy service loads every file of <code>config/policies/</code>, all or none. Check them with <code>npx tacho policy check</code>.</p>`
  }</div>`;

const answer = (view: View, rulesets: readonly RulesetRow[]): Html => {
  const inForce = rulesetInForce(rulesets);
  const [newest] = rulesets;
  const refused = newest !== undefined && isRefused(newest) ? newest : null;
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

/** Coverage of one rule at one emitter: the line of the whole rule, and the fields that were missing. */
interface Coverage {
  readonly whole: CoverageRow;
  readonly lacks: readonly CoverageRow[];
}

/** Rows by rule and emitter; the row without a field tells of the rule as a whole. */
const coverageOf = (rows: readonly CoverageRow[]): readonly Coverage[] =>
  [...Map.groupBy(rows, (row) => `${row.rule_id}\n${row.family}`).values()].flatMap((group) => {
    const whole = group.find((row) => row.field === '') ?? group[0];
    const lacks = group.filter((row) => row.field !== '' && row.lacking > 0);
    return whole === undefined ? [] : [{ whole, lacks }];
  });

const coverageSection = (view: View, rows: readonly CoverageRow[]): Html => {
  const all = coverageOf(rows);
  const short = all
    .filter(({ whole, lacks }) => whole.lacking > 0 || whole.errors > 0 || lacks.length > 0)
    .sort((a, b) => b.whole.lacking / b.whole.steps - a.whole.lacking / a.whole.steps);
  const rest = all.length - short.length;
  return html`<section class="wide"><header><h2>Where rules cannot judge</h2><span class="note">steps of the ${RANGES[view.range.name].words} that lacked what a rule needs, by emitter</span></header>
${short.length === 0 ? coverageWords(all.length) : coverageTable(view, short)}
${short.length > 0 && rest > 0 && html`<p class="quiet pad">${rest === 1 ? 'One other pair' : `${rest} other pairs`} of rule and emitter carried everything.</p>`}</section>`;
};

const coverageWords = (judged: number): Html =>
  html`<p class="pad">${judged === 0 ? html`<span class="quiet">No step of a kind that a rule looks at came in this range.</span>` : status('ok', 'Every step carried what its rules need')}</p>`;

const coverageTable = (view: View, short: readonly Coverage[]): Html =>
  html`<div class="scroll"><table class="listed"><thead><tr><th scope="col">Rule</th><th scope="col">Emitter</th><th scope="col">Lacks</th><th scope="col" class="n">Cannot judge</th><th scope="col" class="n">Steps</th><th scope="col" class="n">Share</th><th scope="col" class="n">Errors</th></tr></thead>
<tbody>${short.map(
    ({ whole, lacks }) =>
      html`<tr><td class="name" data-label="Rule"><a class="dim" href="${linkTo('/violations', { ...kept(view), rule: whole.rule_id })}">${whole.rule_id}</a></td><td data-label="Emitter">${whole.family}</td><td class="name" data-label="Lacks">${lacks.map((row, at) => html`${at > 0 && ', '}<code title="${`${row.lacking} of ${row.steps} steps`}">${row.field}</code>`)}</td><td class="n" data-label="Cannot judge">${compact(whole.lacking)}</td><td class="n" data-label="Steps">${compact(whole.steps)}</td><td class="n${whole.lacking * 2 >= whole.steps ? ' warn' : ''}" data-label="Share">${percent(whole.lacking, whole.steps)}</td><td class="n${whole.errors > 0 ? ' warn' : ''}" data-label="Errors">${compact(whole.errors)}</td></tr>`,
  )}</tbody></table></div>`;

const historySection = (view: View, rulesets: readonly RulesetRow[]): Html => {
  const inForce = rulesetInForce(rulesets);
  return html`<section class="wide"><header><h2>Rule sets</h2><span class="note">newest first</span></header><div class="scroll"><table class="listed"><thead><tr><th scope="col">State</th><th scope="col">Rule set</th><th scope="col" class="n">Rules</th><th scope="col">Files</th><th scope="col" class="n">Problems</th><th scope="col" class="n">Loaded</th></tr></thead>
<tbody>${rulesets.map((row) => html`<tr><td data-label="State">${isRefused(row) ? status('error', 'refused') : row === inForce ? status('ok', 'in force') : status('unset', 'replaced')}</td><td data-label="Rule set">${shortId(row.ruleset_hash)}</td><td class="n" data-label="Rules">${row.rules}</td><td class="name" data-label="Files">${row.file_names.join(', ')}</td><td class="n" data-label="Problems">${row.problems.length}</td><td class="n" data-label="Loaded">${when(row.loaded_at, view.nowMs)}</td></tr>`)}</tbody></table></div></section>`;
};
