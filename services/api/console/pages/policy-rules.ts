import type { Policies, RuleInForce } from '../../policy-reads.ts';
import type { CoverageRow } from '../../queries/policies.ts';
import { compact, percent, plural } from '../format.ts';
import { type Fragment, type Html, html } from '../html.ts';
import { status } from '../parts.ts';
import { severityBadge } from '../severity.ts';
import { kept, linkTo, RANGES, type View } from '../view.ts';

/** A title as a rule writes it, its placeholders as what they are: something that differs. */
const titleOf = (title: string): string => title.replaceAll(/\{\{[^{}]*\}\}/g, '…');

/** Every rule in force: what it looks for, what it found, and what keeps it from judging. */
export const rulesSection = (view: View, { rules, in_force }: Policies): Html => {
  const listed =
    rules.length === 0
      ? html`<p class="quiet pad">The rule set names no rule in a form this version can list; the files stand below.</p>`
      : rulesTable(view, rules);
  const missing = (in_force?.rules ?? 0) - rules.length;
  return html`<section class="wide"><header><h2>Rules in force</h2><span class="note">those with most violations in the ${RANGES[view.range.name].words} first</span></header>${listed}${rules.length > 0 && missing > 0 && html`<p class="quiet pad">${plural(missing, 'rule')} more, in a form this version cannot list.</p>`}</section>`;
};

const rulesTable = (view: View, rules: readonly RuleInForce[]): Html =>
  html`<div class="scroll"><table class="listed"><thead><tr><th scope="col">Rule</th><th scope="col">Severity</th><th scope="col">Mode</th><th scope="col">Judges</th><th scope="col" class="n">Steps judged</th><th scope="col" class="n">Violations</th></tr></thead>
<tbody>${rules.map(
    (rule) =>
      html`<tr><td class="name" data-label="Rule"><span title="${rule.description ?? ''}">${titleOf(rule.title)}</span> <span class="rule">${rule.rule_id} ${rule.rule_version}</span></td><td data-label="Severity">${rule.severity === null ? html`<span class="quiet">by level</span>` : severityBadge(rule.severity)}</td><td data-label="Mode">${rule.mode}</td><td data-label="Judges">${judges(rule)}</td><td class="n" data-label="Steps judged">${compact(rule.steps - rule.lacking)}</td><td class="n" data-label="Violations">${rule.violations === 0 ? '0' : html`<a href="${linkTo('/violations', { ...kept(view), rule: rule.rule_id })}">${compact(rule.violations)}</a>`}</td></tr>`,
  )}</tbody></table></div>`;

const judges = (rule: RuleInForce): Fragment => {
  const lists = rule.not_configured.map(({ list }) => list.replace(/^cfg\./, '')).join(', ');
  if (rule.errors > 0) return status('error', plural(rule.errors, 'error'));
  if (rule.steps === 0) return html`<span class="quiet">no such step yet</span>`;
  if (lists === '') return rule.lacking === 0 ? status('ok', 'every step') : status('unset', share(rule));
  return rule.lacking === rule.steps
    ? status('unset', `not configured: no list ${lists}`)
    : status('unset', `${share(rule)}; the others have no list ${lists}`);
};

const share = (rule: RuleInForce): string => `${percent(rule.steps - rule.lacking, rule.steps)} of the steps`;

/** Coverage of one rule at one emitter: what the telemetry did not tell, apart from lists that nobody wrote. */
interface Gap {
  readonly whole: CoverageRow;
  /** Fields (`e.…`) that were missing. */
  readonly fields: readonly CoverageRow[];
  /** Steps that lacked one of them: at least as many as the field that is missing most. */
  readonly lacking: number;
}

/** Rows by rule and emitter; the row without a field tells of the rule as a whole. */
const gapsOf = (rows: readonly CoverageRow[]): readonly Gap[] =>
  [...Map.groupBy(rows, (row) => `${row.rule_id}\n${row.family}`).values()].flatMap((group) => {
    const whole = group.find((row) => row.field === '') ?? group[0];
    if (whole === undefined) return [];
    const lacks = group.filter((row) => row.field !== '' && row.lacking > 0);
    const fields = lacks.filter((row) => !row.field.startsWith('cfg.'));
    const isOnlyFields = fields.length === lacks.length;
    return [
      { whole, fields, lacking: isOnlyFields ? whole.lacking : Math.max(0, ...fields.map((row) => row.lacking)) },
    ];
  });

/** Where the telemetry lacks what a rule needs, by emitter: the reader can change the emitter. */
export const coverageSection = (view: View, rows: readonly CoverageRow[]): Html => {
  const all = gapsOf(rows);
  const short = all
    .filter(({ whole, lacking }) => lacking > 0 || whole.errors > 0)
    .sort((a, b) => b.lacking / b.whole.steps - a.lacking / a.whole.steps);
  const rest = all.length - short.length;
  return html`<section class="wide"><header><h2>Where rules cannot judge</h2><span class="note">steps of the ${RANGES[view.range.name].words} that lacked what a rule needs, by emitter; the highest share first</span></header>
${short.length === 0 ? coverageWords(all.length) : coverageTable(view, short)}
${short.length > 0 && rest > 0 && html`<p class="quiet pad">${rest === 1 ? 'One other pair' : `${rest} other pairs`} of rule and emitter carried everything.</p>`}</section>`;
};

const coverageWords = (judged: number): Html =>
  html`<p class="pad">${judged === 0 ? html`<span class="quiet">No step of a kind that a rule looks at came in this range.</span>` : status('ok', 'Every step carried what its rules need')}</p>`;

const coverageTable = (view: View, short: readonly Gap[]): Html =>
  html`<div class="scroll"><table class="listed"><thead><tr><th scope="col">Rule</th><th scope="col">Emitter</th><th scope="col">Not told</th><th scope="col" class="n">Cannot judge</th><th scope="col" class="n">Steps</th><th scope="col" class="n">Share</th><th scope="col" class="n">Errors</th></tr></thead>
<tbody>${short.map(
    ({ whole, fields, lacking }) =>
      html`<tr><td class="name" data-label="Rule"><a class="dim" href="${linkTo('/violations', { ...kept(view), rule: whole.rule_id })}">${whole.rule_id}</a></td><td data-label="Emitter">${whole.family}</td><td data-label="Not told">${fields.map((row, at) => html`${at > 0 && ', '}<code title="${`${row.lacking} of ${row.steps} steps`}">${row.field}</code>`)}</td><td class="n" data-label="Cannot judge">${compact(lacking)}</td><td class="n" data-label="Steps">${compact(whole.steps)}</td><td class="n${lacking * 2 >= whole.steps ? ' warn' : ''}" data-label="Share">${percent(lacking, whole.steps)}</td><td class="n${whole.errors > 0 ? ' warn' : ''}" data-label="Errors">${compact(whole.errors)}</td></tr>`,
  )}</tbody></table></div>`;
