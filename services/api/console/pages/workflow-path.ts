import { workflowTenantsQuery } from '../../queries/workflow-path.ts';
import { read } from '../../reads.ts';
import { judgeWorkflow } from '../../routes/workflow-path.ts';
import { onlyTenant } from '../../tenant-scope.ts';
import { shareOfCost, type WorkflowPath, type WorkflowStep } from '../../workflow-path.ts';
import { duration, money, plural } from '../format.ts';
import { type Html, html } from '../html.ts';
import { notice, page } from '../layout.ts';
import { RANGES, runLink, runsLink, type View } from '../view.ts';

/** Runs one page judges; the API takes more. */
const RUNS_MAX = 100;
const STEPS_SHOWN = 60;

/** What the runs of a workflow wait for and pay for, step by step. */
export const workflowPathPage = async (view: View): Promise<string> => {
  const { context, range } = view;
  const workflow = view.params['workflow'] ?? '';
  const tenants = await read<{ tenant_id: string }>(
    context,
    workflowTenantsQuery({ tenant: view.tenant, workflow, range }),
  );
  const options = { title: `Workflow ${workflow}`, hasRange: true, tenants: tenants.map((row) => row.tenant_id) };
  if (tenants.length === 0)
    return page(view, {
      ...options,
      body: notice(
        `Workflow ${workflow}`,
        html`It has no run in the ${RANGES[range.name].words}, among what you may see.`,
      ),
    });
  const { tenant_id: tenant } = onlyTenant(tenants, `workflow ${workflow}`);
  const { path, found, isCut } = await judgeWorkflow(context, { tenant, workflow, range, runsMax: RUNS_MAX });
  const [longest] = [...path.runs].sort(([, a], [, b]) => b - a);
  return page(view, {
    ...options,
    body: html`<section class="wide"><header><h1>${workflow}</h1><span class="note">what its runs wait for and pay for: the newest ${plural(path.runs.size, 'run')} of ${found.toLocaleString('en-US')} in the ${RANGES[range.name].words}${isCut && ', not all of them'}</span></header>
<p class="who pad"><span><a href="${runsLink(view, { tenant, workflow })}">its runs</a></span><span>${duration(path.micros / MICROS_PER_MS / Math.max(path.runs.size, 1))} a run</span>${longest !== undefined && html`<span>the longest <a href="${runLink(view, { tenant_id: tenant, run_id: longest[0] })}">${duration(longest[1] / MICROS_PER_MS)}</a></span>`}<span>${path.cost_usd === null ? 'no cost is known' : money(path.cost_usd)}</span></p>
${stepTable(path)}${path.steps.length > STEPS_SHOWN && html`<p class="quiet pad">and ${(path.steps.length - STEPS_SHOWN).toLocaleString('en-US')} more steps in the API</p>`}${notes(path)}</section>`,
  });
};

const MICROS_PER_MS = 1_000;

const percent = (share: number | null): string => (share === null ? '–' : `${(share * 100).toFixed(1)} %`);

const stepTable = (path: WorkflowPath): Html =>
  html`<div class="scroll"><table class="edges"><thead><tr><th scope="col">Step</th><th scope="col">Agent</th><th scope="col" class="n">Waited for</th><th scope="col" class="n">of the time</th><th scope="col" class="n">in runs</th><th scope="col" class="n">Cost</th><th scope="col" class="n">of the cost</th></tr></thead>
<tbody>${path.steps.slice(0, STEPS_SHOWN).map((step) => stepRow(step, path))}</tbody></table></div>`;

const stepRow = (step: WorkflowStep, path: WorkflowPath): Html => {
  const name =
    step.step_kind === null
      ? html`<span class="quiet">nothing tells</span>`
      : html`<span class="kind">${step.step_kind}</span> ${step.name}`;
  const cost =
    step.cost_usd === null
      ? step.calls_without_cost > 0
        ? html`<span class="warn">not known</span>`
        : ''
      : html`${money(step.cost_usd)}${step.calls_without_cost > 0 && html` <span class="warn">and ${step.calls_without_cost} not known</span>`}`;
  return html`<tr><td class="name">${name}</td><td class="name">${step.agent_name}</td><td class="n">${duration(step.micros / MICROS_PER_MS)}</td><td class="n">${percent(path.micros === 0 ? null : step.micros / path.micros)}</td><td class="n">${step.runs_on_path}</td><td class="n">${cost}</td><td class="n">${percent(shareOfCost(step.cost_usd, path.cost_usd))}</td></tr>`;
};

const notes = (path: WorkflowPath): Html | null => {
  const told = [
    path.orphans > 0 && `${plural(path.orphans, 'span')} whose parent has not come: what they belong to is not known`,
    path.calls_without_cost > 0 && `${plural(path.calls_without_cost, 'call')} whose cost is not known`,
  ].filter((note) => note !== false);
  return told.length === 0 ? null : html`<ul class="lineage-notes">${told.map((note) => html`<li>${note}</li>`)}</ul>`;
};
