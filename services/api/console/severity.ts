import { type Html, html } from './html.ts';

/** Each severity has a shape of its own beside its colour, drawn so that no font decides how it looks. */
const SHAPES: Readonly<Record<string, string>> = {
  info: 'M6 1.6a4.4 4.4 0 1 0 0 8.8a4.4 4.4 0 1 0 0-8.8Z',
  low: 'M6 1.2 10.8 6 6 10.8 1.2 6Z',
  medium: 'M6 .8 11.2 6 6 11.2.8 6Z',
  high: 'M6 .8 11.6 11.2H.4Z',
  critical: 'M3.6.3h4.8L11.7 3.6v4.8L8.4 11.7H3.6L.3 8.4V3.6Z',
};

const known = (severity: string): string => (severity in SHAPES ? severity : 'info');

/** The shape alone, for a place where the word stands nearby or in a title. */
export const severityShape = (severity: string): Html =>
  html`<svg class="mark sev-${known(severity)}" viewBox="0 0 12 12" aria-hidden="true"><path d="${SHAPES[known(severity)]}"/>${severity === 'critical' && html`<path class="cut" d="M6 2.8v3.9M6 8.2v1.2"/>`}</svg>`;

/** Severity by shape, colour and word. */
export const severityBadge = (severity: string): Html =>
  html`<span class="sev sev-${known(severity)}">${severityShape(severity)} ${severity}</span>`;

/** The shape on a bar of the waterfall, its left edge at `x` percent. */
export const severityOnBar = (severity: string, x: number): Html =>
  html`<svg x="${x.toFixed(2)}%" y="1" width="14" height="14" viewBox="0 0 12 12" class="mark sev-${known(severity)}"><path d="${SHAPES[known(severity)]}"/></svg>`;

const ORDER = ['info', 'low', 'medium', 'high', 'critical'];

/** The severest of these; null of none. */
export const worstOf = (severities: readonly string[]): string | null =>
  [...severities].sort((a, b) => ORDER.indexOf(b) - ORDER.indexOf(a))[0] ?? null;
