import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { SteadySender } from './steady-sender.ts';
import { runTacho, type Site, sql, until } from './tacho.ts';

/** Rows of `spans`. */
export const storedSpans = async (site: Site): Promise<number> => {
  const [row] = await sql<{ n: string }>(site, 'SELECT toString(count()) AS n FROM spans');
  return Number(row?.n);
};

/** Waits until `spans` more than now are stored. */
export const untilFlows = async (site: Site, spans: number, deadlineMs = 120_000): Promise<void> => {
  const before = await storedSpans(site);
  await until(
    `${spans} more spans`,
    async () => ((await storedSpans(site)) > before + spans ? true : null),
    deadlineMs,
  );
};

/** The backlog is gone although data keeps coming: all that was acknowledged when we look is stored a moment later. */
export const untilCaughtUp = (site: Site, sender: SteadySender, before: number): Promise<true> =>
  until(
    'the backlog is gone',
    async () => {
      const { acknowledgedSpans } = sender.tally();
      await delay(2_000);
      return (await storedSpans(site)) >= before + acknowledgedSpans ? true : null;
    },
    300_000,
  );

/**
 * Ends the sender: everything it was acknowledged is stored once beside the `before` spans that were there, each of them
 * folded, and the audit agrees. Data that was not acknowledged is sent until it is.
 */
export const expectAllOnce = async (site: Site, sender: SteadySender, before: number): Promise<void> => {
  const { acknowledgedSpans, broken } = await sender.finish(180_000);
  expect(broken).toEqual([]);
  const wanted = String(before + acknowledgedSpans);
  const all = `SELECT toString(count()) AS stored, toString(uniqExact(trace_id, span_id)) AS once,
    (SELECT toString(sum(steps)) FROM runs FINAL) AS folded FROM spans`;
  await until(
    `${wanted} spans are stored and folded`,
    async () => {
      const [row] = await sql<{ stored: string; folded: string }>(site, all);
      return Number(row?.stored) >= Number(wanted) && Number(row?.folded) >= Number(wanted) ? true : null;
    },
    240_000,
  );
  expect(await sql(site, all)).toEqual([{ stored: wanted, once: wanted, folded: wanted }]);
  const audit = await runTacho(site, ['audit']);
  expect(audit.code, audit.output).toBe(0);
};
