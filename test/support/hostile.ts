import { randomBytes } from 'node:crypto';
import { type Site, sql, until } from './tacho.ts';

const JSON_TYPE = { 'content-type': 'application/json' };

/** Random lower-case hex. */
export const hex = (digits: number): string => randomBytes(digits / 2).toString('hex');

/** An OTLP/JSON attribute; objects are taken as an AnyValue already. */
export const attr = (key: string, value: string | number | object): object => ({
  key,
  value: typeof value === 'string' ? { stringValue: value } : typeof value === 'number' ? { intValue: value } : value,
});

/** A span that is good but for what `over` says. */
export const spanOf = (over: object = {}): { readonly traceId: string; readonly spanId: string } => {
  const nowNano = String(BigInt(Date.now()) * 1_000_000n);
  return {
    ...{ traceId: hex(32), spanId: hex(16), name: 'step', startTimeUnixNano: nowNano, endTimeUnixNano: nowNano },
    ...over,
  };
};

/** A span that tells of a model call. */
export const llmOf = (over: object = {}, attributes: readonly object[] = []) =>
  spanOf({
    name: 'chat gpt-4o',
    kind: 3,
    ...over,
    attributes: [
      attr('gen_ai.operation.name', 'chat'),
      attr('gen_ai.provider.name', 'openai'),
      attr('gen_ai.request.model', 'gpt-4o'),
      ...attributes,
    ],
  });

/** An export request in OTLP/JSON. */
export const requestOf = (spans: readonly unknown[], service: object = attr('service.name', 'shop')): string =>
  JSON.stringify({ resourceSpans: [{ resource: { attributes: [service] }, scopeSpans: [{ scope: {}, spans }] }] });

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly position: string;
}

/** One POST to the receiver, as it is. */
export const post = async (
  site: Site,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/traces',
): Promise<Answer> => {
  const response = await fetch(site.otlp + path, {
    method: 'POST',
    body: typeof body === 'string' ? body : Uint8Array.from(body),
    headers: { ...JSON_TYPE, ...headers },
  });
  const text = await response.text();
  return { status: response.status, text, position: response.headers.get('x-tacho-position') ?? '' };
};

/** Waits until every service has passed a position: then what it made can be queried. */
export const untilPassed = async (site: Site, position: string): Promise<void> => {
  await until(`${position} is passed`, async () => {
    const answer = await fetch(`${site.api}/api/v1/pipeline/passed?position=${encodeURIComponent(position)}`);
    return ((await answer.json()) as { passed?: boolean }).passed === true ? true : null;
  });
};

/** Sends spans as a tenant and waits until they can be queried. */
export const sendSpans = async (site: Site, tenant: string, spans: readonly unknown[]): Promise<Answer> => {
  const answer = await post(site, requestOf(spans), { 'x-tacho-tenant': tenant });
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  await untilPassed(site, answer.position);
  return answer;
};

/** Sends a good span and waits for its row: the whole pipeline takes data. */
export const provesAlive = async (site: Site): Promise<void> => {
  const span = llmOf();
  await sendSpans(site, 'alive', [span]);
  const rows = await sql(site, `SELECT 1 FROM spans WHERE trace_id = '${span.traceId}'`);
  if (rows.length !== 1) throw new Error(`${rows.length} rows of a good span`);
};

/** What stands in hostile texts: none of it may ever reach a page as markup. */
export const XSS = '"><svg onload=alert(1)><script>alert(1)</script><img src=x onerror=x>';

/** Pages and API answers that show a run: those that do not answer 200, and those that let markup through. */
export const badPages = async (site: Site, tenant: string, runId: string): Promise<readonly string[]> => {
  const run = `runs/${runId}?tenant=${tenant}`;
  const pages = ['/', `/?tenant=${tenant}`, '/runs', `/runs?tenant=${tenant}`, `/${run}`, '/pipeline'];
  const api = [`/api/v1/${run}`, `/api/v1/runs/${runId}/steps?tenant=${tenant}&content=true`, '/api/v1/runs'];
  const bad: string[] = [];
  for (const path of [...pages, ...api]) {
    const response = await fetch(site.api + path);
    const text = await response.text();
    if (response.status !== 200) bad.push(`${path}: ${response.status}`);
    if (pages.includes(path) && /<svg onload|<script>alert|<img src=x/.test(text)) bad.push(`${path}: markup`);
  }
  return bad;
};
