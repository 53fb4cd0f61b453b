import type { AttentionRow } from '../queries/attention.ts';
import { compact } from './format.ts';
import { type Fragment, type Html, html } from './html.ts';
import { linkTo, RANGE_NAMES, RANGES, type View } from './view.ts';

interface NavEntry {
  readonly path: string;
  readonly label: string;
  /** How many want somebody, and what they are; shown when there are any. */
  readonly count?: (attention: AttentionRow) => number;
  readonly counted?: string;
}

const NAV: readonly NavEntry[] = [
  { path: '/', label: 'Overview' },
  { path: '/runs', label: 'Runs' },
  { path: '/incidents', label: 'Incidents', count: (found) => found.open_incidents, counted: 'open' },
  {
    path: '/violations',
    label: 'Violations',
    count: (found) => found.unreviewed_violations,
    counted: 'in 24 hours, not reviewed',
  },
  { path: '/budgets', label: 'Budgets', count: (found) => found.tight_budgets, counted: 'over 80 %' },
  { path: '/prices', label: 'Prices' },
  { path: '/policies', label: 'Policies' },
  { path: '/lineage', label: 'Lineage' },
  { path: '/pipeline', label: 'Pipeline' },
  { path: '/telemetry', label: 'Telemetry' },
  { path: '/connect', label: 'Connect' },
];

/** The tachograph's disc: a ring, a trace, a hub. */
const LOGO = html`<svg class="logo" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10.25"/><path d="M4.5 12.5 8 12l1.6-4.6 2.6 9.4 2-6.2 1.1 1.9 4.2-.2"/></svg>`;

export interface PageOptions {
  readonly title: string;
  readonly body: Fragment;
  /** Tenants for the switch; empty hides it. */
  readonly tenants?: readonly string[];
  /** The range picker stands on pages whose figures depend on it. */
  readonly hasRange?: boolean;
  /** Scripts of ours below /assets. */
  readonly scripts?: readonly string[];
  readonly styles?: readonly string[];
  /** Seconds after which a page without scripts asks again. */
  readonly refreshSeconds?: number;
}

/** The whole document. `view` is null while nothing of the caller is known (starting, refused). */
export const page = (view: View | null, options: PageOptions): string => {
  const styles = ['/assets/console.css', ...(options.styles ?? [])];
  const scripts = ['/assets/console.js', ...(options.scripts ?? [])];
  const document = html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${options.refreshSeconds !== undefined && html`<noscript><meta http-equiv="refresh" content="${options.refreshSeconds}"></noscript>`}
<title>${options.title} · Tachograph</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
${styles.map((path) => html`<link rel="stylesheet" href="${path}">`)}
${scripts.map((path) => html`<script src="${path}" defer></script>`)}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<a class="brand" href="${linkTo('/', view?.tenant ? { tenant: view.tenant } : {})}">${LOGO}<span>Tachograph</span></a>
<nav aria-label="Pages">${NAV.map((entry) => navLink(view, entry))}</nav>
<div class="controls">${view && tenantSwitch(view, options.tenants ?? [])}${view && options.hasRange === true && rangePicker(view)}</div>
</header>
${view?.context.demo === true && demoBanner}
<main id="main" tabindex="-1">${options.body}</main>
</body>
</html>`;
  return `<!doctype html>\n${document.markup}`;
};

const demoBanner = html`<aside class="banner" aria-label="Demo"><strong>Demo.</strong> <span>Tenant <code>demo</code> is recorded traffic of real agents, played in as if live. Your own telemetry stands beside it in its own tenant.</span> <span class="wordy">To be rid of it: stop, delete the data folder, <code>npm start -- --no-demo</code>.</span></aside>`;

const navLink = (view: View | null, entry: NavEntry): Html => {
  const isHere = view !== null && (entry.path === '/' ? view.path === '/' : view.path.startsWith(entry.path));
  const href = linkTo(entry.path, { tenant: view?.params['tenant'], range: view?.params['range'] });
  const count = view?.attention && entry.count ? entry.count(view.attention) : 0;
  return html`<a href="${href}"${isHere && html` aria-current="page"`}>${entry.label}${count > 0 && html` <span class="count" title="${count} ${entry.counted}">${compact(count)}<span class="hidden"> ${entry.counted}</span></span>`}</a>`;
};

const tenantSwitch = (view: View, tenants: readonly string[]): Html | null => {
  const shown = [...new Set([...tenants, ...(view.tenant === null ? [] : [view.tenant])])].sort();
  if (shown.length === 0 || view.caller.tenant !== null) return null;
  const others = Object.entries(view.params).filter(([name]) => name !== 'tenant' && name !== 'cursor');
  return html`<form class="tenant" method="get" action="${view.path}" data-autosubmit>
${others.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<label>Tenant <select name="tenant"><option value="">all</option>${shown.map(
    (tenant) => html`<option${tenant === view.tenant && html` selected`}>${tenant}</option>`,
  )}</select></label><noscript><button>Show</button></noscript></form>`;
};

const rangePicker = (view: View): Html =>
  html`<nav class="segments" aria-label="Range">${RANGE_NAMES.map(
    (name) =>
      html`<a href="${linkTo(view.path, { ...view.params, cursor: undefined, range: name })}" title="${RANGES[name].words}"${name === view.range.name && html` aria-current="true"`}>${name}</a>`,
  )}</nav>`;

/** A page of one sentence and what to do: the form of empty, refused and failed states. */
export const notice = (title: string, detail: Fragment, actions: Fragment = null): Html =>
  html`<section class="notice"><h1>${title}</h1><p>${detail}</p>${actions}</section>`;
