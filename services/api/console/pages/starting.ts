import type { Check } from '../../api-plugin.ts';
import { html } from '../html.ts';
import { notice, page } from '../layout.ts';
import { status } from '../parts.ts';

/** Shown while the store or a service is not ready: says what is awaited, and asks again by itself. */
export const startingPage = (checks: readonly Check[]): string =>
  page(null, {
    title: 'Starting',
    refreshSeconds: 3,
    scripts: ['/assets/starting.js'],
    body: notice(
      'Tachograph is starting',
      'Recorded data is not readable yet. Whatever is sent meanwhile is kept; this page opens by itself.',
      html`<ul class="checks" id="checks" data-poll="/readyz">${checks.map((check) => html`<li>${status(check.state, check.name)} <span class="quiet">${check.detail}</span></li>`)}</ul>`,
    ),
  });

/** A page for what went wrong, in the words of its problem. */
export const problemPage = (title: string, detail: string, tenants: readonly string[] = [], path = '/'): string =>
  page(null, {
    title,
    body: notice(
      title,
      detail,
      html`<ul class="checks">${tenants.map((tenant) => html`<li><a href="${`${path}?tenant=${encodeURIComponent(tenant)}`}">${tenant}</a></li>`)}</ul><p><a href="/">Overview</a></p>`,
    ),
  });
