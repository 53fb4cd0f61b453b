import type { Finding, TelemetrySeverity } from '../../telemetry/finding.ts';
import {
  type FoundFinding,
  readTelemetry,
  type Sender,
  type SenderRow,
  type TelemetryReport,
} from '../../telemetry/read.ts';
import { compact, percent, plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { linkTo, RANGES, runLink, type View } from '../view.ts';
import { readTenants } from './tenants.ts';

const SIGNS: Readonly<
  Record<TelemetrySeverity, { readonly shape: string; readonly words: string; readonly style: string }>
> = {
  wrong: { shape: '▲', words: 'gives wrong figures', style: 'error' },
  unknown: { shape: '◆', words: 'leaves figures unknown', style: 'degraded' },
  thin: { shape: '○', words: 'leaves questions open', style: 'unset' },
};

/** What the telemetry lacks or gets wrong, worst first, with the fix on the sender's side. */
export const telemetryPage = async (view: View): Promise<string> => {
  const { range, tenant, context } = view;
  const [report, tenants] = await Promise.all([
    readTelemetry(context.store, { tenant, fromMs: range.fromMs, toMs: range.toMs }),
    readTenants(view),
  ]);
  const wrong = report.findings.filter(({ finding }) => finding.severity === 'wrong').length;
  const hero =
    report.senders.length === 0
      ? 'Nothing was sent'
      : wrong > 0
        ? `${plural(wrong, 'thing')} to mend`
        : 'Figures can be trusted';
  return page(view, {
    title: 'Telemetry',
    tenants,
    hasRange: true,
    body: html`<section class="answer"><div class="lead"><h1>Telemetry</h1><p class="hero small">${hero}</p>
<p class="note">What ${plural(report.senders.length, 'sender')} told in the ${RANGES[range.name].words}, and what is missing in it. Also: <code>tacho doctor --telemetry</code>.</p></div></section>
${report.senders.length > 0 && matrix(view, report)}${report.findings.map((found) => findingSection(view, found))}
${report.senders.length === 0 && html`<p class="quiet pad">No telemetry in this range. ${html`<a href="${linkTo('/connect', {})}">How to send some</a>.`}</p>`}`,
  });
};

/** Senders against findings: the shape of the worst, with how many calls it touches. */
const matrix = (view: View, { senders, findings }: TelemetryReport): Html => {
  const isMany = view.tenant === null && new Set(senders.map((sender) => sender.tenant_id)).size > 1;
  return html`<section class="wide"><header><h2>Senders</h2><span class="note">a service as one family of telemetry tells of it</span></header><div class="scroll"><table class="senders">
<thead><tr><th scope="col">Service</th>${isMany && html`<th scope="col">Tenant</th>`}<th scope="col">Family</th><th scope="col" class="n">Steps</th><th scope="col" class="n">Calls</th><th scope="col">Shows</th></tr></thead>
<tbody>${senders.map(
    (
      sender,
    ) => html`<tr><td class="name" data-label="Service">${sender.service || html`<span class="quiet">no name</span>`}</td>${isMany && html`<td data-label="Tenant">${sender.tenant_id}</td>`}<td data-label="Family">${sender.family}</td>
<td class="n" data-label="Steps">${compact(sender.steps)}</td><td class="n" data-label="Calls">${compact(sender.calls)}</td><td data-label="Shows">${shows(sender, findings)}</td></tr>`,
  )}</tbody></table></div></section>`;
};

const shows = (sender: Sender, findings: readonly FoundFinding[]): Html => {
  const own = findings.filter(({ rows }) => rows.some((row) => isFrom(row, sender)));
  if (own.length === 0) return html`<span class="status ok"><span aria-hidden="true">●</span> nothing missing</span>`;
  return html`<span class="shows">${own.map(({ finding }) => html`<a class="chip" href="#${finding.id}">${sign(finding, finding.title)}</a>`)}</span>`;
};

/** A finding between two instrumentations names both families. */
const isFrom = (row: SenderRow, sender: Sender): boolean =>
  row.tenant_id === sender.tenant_id &&
  row.service === sender.service &&
  row.family.split(' + ').includes(sender.family);

const sign = (finding: Finding, words: string): Html => {
  const { shape, style, words: means } = SIGNS[finding.severity];
  return html`<span class="status ${style}" title="${means}"><span aria-hidden="true">${shape}</span> ${words}</span>`;
};

const findingSection = (view: View, { finding, rows }: FoundFinding): Html => {
  const fixes = [...Map.groupBy(rows, (row) => row.fix)];
  const body = fixes.map(
    ([fix, senders]) => html`<p class="fix"><strong>Fix</strong> ${fix}</p>${sendersTable(view, senders)}`,
  );
  const calls = rows.reduce<number | null>((sum, row) => (row.calls === null ? sum : (sum ?? 0) + row.calls), null);
  const count =
    calls === null || calls === 0
      ? plural(rows.length, 'sender')
      : `${plural(calls, 'call')} of ${plural(rows.length, 'sender')}`;
  return html`<section class="wide finding" id="${finding.id}"><header><h2>${sign(finding, finding.title)}</h2><span class="note">${count}</span></header><p class="effect">${finding.effect}</p>
${finding.severity === 'thin' ? html`<details><summary>Fix and senders</summary>${body}</details>` : body}</section>`;
};

const sendersTable = (view: View, rows: readonly SenderRow[]): Html => {
  const isMany = view.tenant === null;
  return html`<div class="scroll"><table><thead><tr><th scope="col">Service</th>${isMany && html`<th scope="col">Tenant</th>`}<th scope="col">Family</th><th scope="col" class="n">Calls</th><th scope="col" class="n">Share</th><th scope="col" class="n">Records</th><th scope="col">Which</th><th scope="col">Look at</th></tr></thead>
<tbody>${rows.map(
    (
      row,
    ) => html`<tr><td class="name" data-label="Service">${row.service || html`<span class="quiet">not readable</span>`}</td>${isMany && html`<td data-label="Tenant">${row.tenant_id}</td>`}<td data-label="Family">${row.family || html`<span class="quiet">–</span>`}</td>
<td class="n" data-label="Calls">${compact(row.calls)}</td><td class="n" data-label="Share">${row.calls === null || row.calls_of_sender === null ? html`<span class="quiet">–</span>` : percent(row.calls, row.calls_of_sender)}</td><td class="n" data-label="Records">${compact(row.steps)}</td>
<td data-label="Which">${row.detail || html`<span class="quiet">–</span>`}</td><td data-label="Look at">${row.example_run_id === null ? html`<span class="quiet">–</span>` : html`<a href="${runLink(view, { tenant_id: row.tenant_id, run_id: row.example_run_id })}">a run</a>`}</td></tr>`,
  )}</tbody></table></div>`;
};
