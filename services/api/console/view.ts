import type { Caller } from '../../runtime/access.ts';
import type { ApiContext } from '../deps.ts';
import type { AttentionRow } from '../queries/attention.ts';
import type { TimeRange } from '../queries/query.ts';

/** What every page knows of its request. */
export interface View {
  readonly context: ApiContext;
  readonly caller: Caller;
  /** Somebody on this machine who showed no token: a name is taken as said. */
  readonly isTokenless: boolean;
  /** What wants somebody, for the navigation; null where it was not asked or cannot be read. */
  readonly attention: AttentionRow | null;
  readonly nowMs: number;
  /** The tenant shown; null: all the caller may see. */
  readonly tenant: string | null;
  readonly range: RangeChoice;
  /** Path and parameters of the page, for links that change one of them. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

const HOUR_MS = 3_600_000;

/** The ranges offered, with a bucket width that gives 24 to 72 bars. */
export const RANGES = {
  '1h': { ms: HOUR_MS, step: 'minute', words: 'last hour' },
  '6h': { ms: 6 * HOUR_MS, step: '5m', words: 'last 6 hours' },
  '24h': { ms: 24 * HOUR_MS, step: 'hour', words: 'last 24 hours' },
  '7d': { ms: 168 * HOUR_MS, step: '6h', words: 'last 7 days' },
  '30d': { ms: 720 * HOUR_MS, step: 'day', words: 'last 30 days' },
} as const;
export type RangeName = keyof typeof RANGES;
export const RANGE_NAMES: readonly RangeName[] = ['1h', '6h', '24h', '7d', '30d'];

export interface RangeChoice extends TimeRange {
  readonly name: RangeName;
}

const isRange = (name: string | undefined): name is RangeName => RANGE_NAMES.some((known) => known === name);

/** The range a page was asked for; a day for anything it does not offer. */
export const rangeChoice = (asked: string | undefined, nowMs: number): RangeChoice => {
  const name = isRange(asked) ? asked : '24h';
  return { name, fromMs: nowMs + 1 - RANGES[name].ms, toMs: nowMs + 1 };
};

/** `path?…` with some parameters changed; undefined or '' takes one away. Tenant and range are kept by default. */
export const linkTo = (path: string, params: Readonly<Record<string, string | undefined>>): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== undefined && value !== '') search.set(name, value);
  const text = search.toString();
  return text === '' ? path : `${path}?${text}`;
};

/** The parameters that go with the reader from page to page. */
export const kept = (view: View): Readonly<Record<string, string | undefined>> => ({
  tenant: view.params['tenant'],
  range: view.params['range'],
});

/** Link to a run; its tenant goes along when the page shows several. */
export const runLink = (view: View, run: { readonly tenant_id: string; readonly run_id: string }): string =>
  linkTo(`/runs/${encodeURIComponent(run.run_id)}`, { ...kept(view), tenant: run.tenant_id });

/** Link to a session of one tenant. */
export const sessionLink = (view: View, tenant: string, sessionId: string): string =>
  linkTo(`/sessions/${encodeURIComponent(sessionId)}`, { ...kept(view), tenant });

/** Link to the list of runs with one filter set. */
export const runsLink = (view: View, filter: Readonly<Record<string, string | undefined>>): string =>
  linkTo('/runs', { ...kept(view), ...filter });
