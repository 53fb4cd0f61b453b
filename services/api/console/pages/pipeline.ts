import type { PipelineReport } from '../../../runtime/pipeline.ts';
import { type AuditRow, newestAuditQuery } from '../../queries/audit.ts';
import { type DeadLetterRow, deadLettersQuery, type ManifestRow, manifestQuery } from '../../queries/pipeline.ts';
import { read } from '../../reads.ts';
import { isoOf } from '../../time.ts';
import { compact, plural, shortId, when } from '../format.ts';
import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import { status } from '../parts.ts';
import { RANGES, type View } from '../view.ts';
import { readTenants } from './tenants.ts';

/** Is everything accepted also stored: services, what waits, what the manifest proves, what was refused. */
export const pipelinePage = async (view: View): Promise<string> => {
  const { context, range, tenant } = view;
  const [manifest, refused, audit, tenants] = await Promise.all([
    read<ManifestRow>(context, manifestQuery(range)),
    read<DeadLetterRow>(context, deadLettersQuery({ tenant, range })),
    read<AuditRow>(context, newestAuditQuery()),
    readTenants(view),
  ]);
  const waiting = context
    .pipeline()
    .services.flatMap((service) => service.partitions)
    .reduce((sum, partition) => sum + partition.lag, 0);
  return page(view, {
    title: 'Pipeline',
    tenants,
    hasRange: true,
    body: html`<section class="answer"><div class="lead"><h1>Pipeline</h1><p class="hero small">${waiting === 0 ? 'Nothing waiting' : `${plural(waiting, 'record')} waiting`}</p>
<p class="note">What is accepted and not yet confirmed in the store, in this process.</p></div></section>
${servicesSection(view)}${auditSection(view, audit)}${manifestSection(view, manifest)}${refusedSection(view, refused)}`,
  });
};

const servicesSection = (view: View): Html => {
  const { services } = view.context.pipeline();
  return html`<section class="wide"><header><h2>Services of this process</h2></header><div class="scroll"><table>
<thead><tr><th scope="col">Service</th><th scope="col">State</th><th scope="col">Topic</th><th scope="col" class="n">Partition</th><th scope="col" class="n">Confirmed to</th><th scope="col" class="n">End of log</th><th scope="col" class="n">Waiting</th><th scope="col" class="n">Last confirmed</th></tr></thead>
<tbody>${services.flatMap((service) =>
    service.partitions.length === 0
      ? [
          html`<tr><td class="name">${service.service}</td><td>${status(service.state)} <span class="quiet">${service.detail}</span></td><td colspan="6"></td></tr>`,
        ]
      : service.partitions.toSorted(byTopic).map(
          (
            partition,
            index,
          ) => html`<tr><td class="name">${index === 0 && service.service}</td><td>${partition.is_stopped ? html`${status('stopped', 'stopped: needs a person')} <span class="quiet">${partition.stopped_because ?? ''}</span>` : index === 0 && html`${status(service.state)} <span class="quiet">${service.detail}</span>`}</td>
<td>${partition.topic}</td><td class="n">${partition.partition}</td><td class="n">${partition.next_offset.toLocaleString('en-US')}</td><td class="n">${partition.log_end.toLocaleString('en-US')}</td><td class="n${partition.lag > 0 ? ' warn' : ''}">${partition.lag.toLocaleString('en-US')}</td>
<td class="n">${partition.confirmed_at_ms === null ? html`<span class="quiet">not yet</span>` : when(isoOf(partition.confirmed_at_ms), view.nowMs)}</td></tr>`,
        ),
  )}</tbody></table></div></section>`;
};

type Partition = PipelineReport['services'][number]['partitions'][number];

const byTopic = (a: Partition, b: Partition): number =>
  a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;

const manifestSection = (view: View, manifest: readonly ManifestRow[]): Html =>
  html`<section class="wide"><header><h2>Manifest</h2><span class="note">batches confirmed in the ${RANGES[view.range.name].words}</span></header>
${
  manifest.length === 0
    ? html`<p class="quiet pad">No batch in this range.</p>`
    : html`<div class="scroll"><table><thead><tr><th scope="col">Service</th><th scope="col">Topic</th><th scope="col" class="n">Partition</th><th scope="col">Log</th><th scope="col" class="n">Offsets</th><th scope="col" class="n">Batches</th><th scope="col" class="n">Records</th><th scope="col" class="n">Steps</th><th scope="col" class="n">Duplicates</th><th scope="col" class="n">Filtered</th><th scope="col" class="n">Refused</th><th scope="col" class="n">Last</th></tr></thead>
<tbody>${manifest.map((row) => html`<tr><td class="name">${row.service}</td><td>${row.topic}</td><td class="n">${row.partition}</td><td>${shortId(row.log_id, 6)}</td><td class="n">${row.first.toLocaleString('en-US')} to ${row.end.toLocaleString('en-US')}</td><td class="n">${compact(row.batches)}</td><td class="n">${compact(row.records)}</td><td class="n">${compact(row.steps)}</td><td class="n">${compact(row.duplicates)}</td><td class="n">${compact(row.filtered)}</td><td class="n${row.dead_letters > 0 ? ' warn' : ''}">${compact(row.dead_letters)}</td><td class="n">${when(row.last_written_at, view.nowMs)}</td></tr>`)}</tbody></table></div>`
}</section>`;

/** The newest audit: what it contradicts, then what waits, then what holds. Places stand in the API and `tacho audit`. */
const auditSection = (view: View, audit: readonly AuditRow[]): Html => {
  const [first] = audit;
  const rows = audit.toSorted((a, b) => b.findings - a.findings || b.waiting - a.waiting);
  return html`<section class="wide"><header><h2>Audit</h2><span class="note">the whole installation, roll-ups included${first !== undefined && html`, ${when(first.finished_at, view.nowMs)}`}</span></header>
${
  first === undefined
    ? html`<p class="quiet pad">None yet: the first comes two minutes after a start.</p>`
    : html`<div class="scroll"><table><thead><tr><th scope="col">Check</th><th scope="col">Claim</th><th scope="col" class="n">Contradicted</th><th scope="col" class="n">Waiting</th></tr></thead>
<tbody>${rows.map((row) => html`<tr><td class="name">${row.findings > 0 ? status('error', row.check) : status('ok', row.check)}</td><td>${row.claim}</td><td class="n${row.findings > 0 ? ' warn' : ''}">${row.findings.toLocaleString('en-US')}</td><td class="n">${row.waiting.toLocaleString('en-US')}</td></tr>`)}</tbody></table></div>`
}</section>`;
};

const refusedSection = (view: View, refused: readonly DeadLetterRow[]): Html =>
  html`<section class="wide"><header><h2>Refused records</h2><span class="note">kept whole in the dead-letter topic of their source: tacho dlq</span></header>
${
  refused.length === 0
    ? html`<p class="pad">${status('ok', 'none')} <span class="quiet">in the ${RANGES[view.range.name].words}</span></p>`
    : html`<div class="scroll"><table><thead><tr><th scope="col">Reason</th><th scope="col">Service</th><th scope="col">Topic</th><th scope="col" class="n">Records</th><th scope="col">Newest says</th><th scope="col">Position</th><th scope="col" class="n">Last</th></tr></thead>
<tbody>${refused.map((row) => html`<tr><td>${status('error', row.reason)}</td><td>${row.service}</td><td>${row.topic}</td><td class="n">${row.dead_letters.toLocaleString('en-US')}</td><td>${row.last_detail}</td><td>${shortId(row.last_position, 24)}</td><td class="n">${when(row.last_logged_at, view.nowMs)}</td></tr>`)}</tbody></table></div>`
}</section>`;
