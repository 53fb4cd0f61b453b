import { DEFAULT_TENANT } from '../../schemas/tenant.ts';
import { TransportError } from '../runtime/errors.ts';
import { getJson, postJson } from '../runtime/http-json.ts';
import type { ImportOptions, Tally } from './import-tally.ts';
import type { World } from './world.ts';

/** How long --wait waits before it says so and gives up. */
const WAIT_MS = 300_000;
const POLL_MS = 200;
const PROGRESS_EVERY_MS = 2_000;

/** Polls `pipeline/passed` until every service has passed the last position of each partition. */
export const waitUntilPassed = async (world: World, options: ImportOptions, tally: Tally): Promise<void> => {
  const position = [...tally.positions].map(([partition, offset]) => `${partition}/${offset}`).join(',');
  if (position === '') return;
  const url = `${options.api}/api/v1/pipeline/passed?position=${encodeURIComponent(position)}`;
  const deadlineMs = world.clock.nowMs() + WAIT_MS;
  let shownMs = world.clock.nowMs();
  for (;;) {
    const answer = await passed(url, options.token);
    if (answer === 'passed') return;
    const nowMs = world.clock.nowMs();
    if (nowMs > deadlineMs)
      throw new TransportError(
        'HTTP_UNAVAILABLE',
        `not queryable after ${WAIT_MS / 1000} s: ${answer} (see ${options.api}/pipeline)`,
        {
          retryable: true,
        },
      );
    if (nowMs - shownMs > PROGRESS_EVERY_MS) {
      shownMs = nowMs;
      world.progress(`waiting until queryable: ${answer}`);
    }
    await world.clock.sleep(POLL_MS, world.stop);
  }
};

const passed = async (url: string, token: string | null): Promise<string> => {
  try {
    const answer = await getJson(url, token);
    if (typeof answer === 'object' && answer !== null && 'passed' in answer && answer.passed === true) return 'passed';
    return JSON.stringify(answer).slice(0, 200);
  } catch (error) {
    if (error instanceof TransportError && error.retryable) return error.message;
    throw error;
  }
};

/** Identities asked for in one query: 35 characters each with quotes and comma, well under the 65,536 the SQL route takes. */
const IDS_A_QUERY = 1_500;

/** Asks the store for the identity of every item sent: none may be missing, none may stand twice. */
export const compareStored = async (world: World, options: ImportOptions, tally: Tally): Promise<boolean> => {
  const tenant = options.tenant ?? DEFAULT_TENANT;
  const ids = [...tally.stepIds];
  let distinct = 0;
  let rows = 0;
  for (let at = 0; at < ids.length; at += IDS_A_QUERY) {
    const list = ids
      .slice(at, at + IDS_A_QUERY)
      .map((id) => `'${id}'`)
      .join(',');
    const query = `SELECT count() AS n, uniqExact(step_id) AS d FROM spans WHERE tenant_id = '${tenant}' AND step_id IN (${list})`;
    const answer = await ask(world, `${options.api}/api/v1/sql`, query, options.token);
    const row = firstRow(answer.text);
    if (answer.status !== 200 || row === null)
      throw new TransportError('HTTP_UNAVAILABLE', `sql answered ${answer.status}: ${answer.text.slice(0, 200)}`, {
        retryable: false,
      });
    rows += row.n;
    distinct += row.d;
  }
  world.print(
    `stored: ${distinct} of ${ids.length} distinct items, ${ids.length - distinct} missing, ${rows - distinct} doubled`,
  );
  return distinct === ids.length && rows === distinct;
};

/** Statuses of a server that is starting, ending or behind a proxy that waits for it. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504]);

/** Asks until there is an answer: whoever waits for data outlives a restart of what stores it. */
const ask = async (world: World, url: string, query: string, token: string | null) => {
  const deadlineMs = world.clock.nowMs() + WAIT_MS;
  for (;;) {
    try {
      const answer = await postJson(url, { query }, token);
      if (!AWAY.has(answer.status) || world.clock.nowMs() > deadlineMs) return answer;
    } catch (error) {
      const isOver = world.clock.nowMs() > deadlineMs;
      if (isOver || !(error instanceof TransportError && error.retryable)) throw error;
    }
    await world.clock.sleep(POLL_MS, world.stop);
  }
};

const firstRow = (text: string): { readonly n: number; readonly d: number } | null => {
  const match = /"n"\s*:\s*"?(\d+)"?\s*,\s*"d"\s*:\s*"?(\d+)"?/.exec(text);
  return match === null ? null : { n: Number(match[1]), d: Number(match[2]) };
};
