import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { LEASE_MS } from '../../services/runtime/event-log/member.ts';
import { expectAllOnce, untilFlows } from '../support/outage.ts';
import { canMount, mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';
import { startSteadySender } from '../support/steady-sender.ts';
import { createSite, type Site, sql, startTacho, type Tacho, until, untilReady } from '../support/tacho.ts';

const MIB = 1024 * 1024;
const LOAD = { requestsPerSecond: 10, spansPerRequest: 10 };

let disk: SmallDisk | null = null;
let up: Tacho | null = null;
let site: Site | null = null;
afterEach(async () => {
  up?.kill('SIGKILL');
  await up?.exited;
  site?.remove();
  disk?.remove();
  [disk, up, site] = [null, null, null];
});

const startOn = async (sizeMib: number, env: Readonly<Record<string, string>>) => {
  disk = mountSmallDisk(sizeMib);
  site = await createSite({ TACHO_DATA_DIR: disk.dir, ...env });
  up = startTacho(site, ['up']);
  await untilReady(site, up);
  return { disk, site, up };
};

const receiverOf = async (at: Site): Promise<{ readonly state: string; readonly detail: string } | undefined> => {
  const answer = (await (await fetch(`${at.api}/readyz`)).json()) as {
    readonly checks: readonly { readonly name: string; readonly state: string; readonly detail: string }[];
  };
  return answer.checks.find(({ name }) => name === 'receiver');
};
const incidentState = async (at: Site): Promise<string | undefined> =>
  (await sql<{ state: string }>(at, "SELECT state FROM incidents FINAL WHERE source = 'disk'"))[0]?.state;

describe.runIf(canMount())('a real disk that runs full', () => {
  test('below its reserve stops ingest, says so everywhere, goes on by itself, and has lost nothing', async () => {
    const { disk, site, up } = await startOn(600, { TACHO_DISK_RESERVE_MB: '150' });
    const sender = startSteadySender({ url: site.otlp, ...LOAD });
    await untilFlows(site, 300);
    disk.fill(120 * MIB);
    const turned = sender.tally().turnedAway;
    await until('senders are turned away', async () => (sender.tally().turnedAway > turned + 5 ? true : null));
    expect(await receiverOf(site)).toMatchObject({ state: 'degraded', detail: expect.stringContaining('nearly full') });
    expect(await (await fetch(`${site.api}/metrics`)).text()).toMatch(/^tacho_ingest_stopped 1$/m);
    const action = await fetch(`${site.api}/api/v1/actions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ts: Date.now(), kind: 'egress', name: 'POST', egress: { host: 'api.example.com' } }),
    });
    expect(action.status, await action.text()).toBe(503);
    await until('the incident is open', async () => ((await incidentState(site)) === 'open' ? true : null));
    expect(up.output()).toContain('nothing is taken from senders');
    disk.empty();
    await until('senders are heard', async () => ((await receiverOf(site))?.state === 'ok' ? true : null));
    await until('the incident is over', async () => ((await incidentState(site)) === 'resolved' ? true : null));
    await expectAllOnce(site, sender, 0);
  });

  // Without the reserve, which is there for this: by hand, with LAST_BYTE=1. Known to end with "Empty marks file" now and
  // then: where the very last byte meets a merge, ClickHouse 26.7 may put a merged part in place whose marks it could not write.
  test.runIf(process.env['LAST_BYTE'] !== undefined)(
    'to the last byte makes log and engine refuse, break nothing, and go on when there is room',
    async () => {
      const { disk, site, up } = await startOn(500, { TACHO_DISK_RESERVE_MB: '0' });
      const sender = startSteadySender({ url: site.otlp, ...LOAD, promptChars: 4_000 });
      await untilFlows(site, 300);
      disk.fill(0);
      await until('senders are turned away', async () => (sender.tally().turnedAway > 20 ? true : null), 120_000);
      expect(up.child.exitCode).toBeNull();
      expect(await receiverOf(site)).toMatchObject({ state: 'degraded', detail: expect.stringContaining('LOG_FULL') });
      // Which of the two meets the last byte first is the disk's affair.
      await until('it is said why', async () =>
        /NOT_ENOUGH_SPACE|No space left|disk is full|LOG_FULL/.test(up.output()) ? true : null,
      );
      // Leases cannot be renewed either: members of one process must not lose themselves to each other.
      await delay(LEASE_MS + 5_000);
      // Again and again: what little is freed by the one is taken by the other.
      for (let n = 0; n < 3; n += 1) {
        disk.empty();
        disk.fill(2 * MIB);
        const turned = sender.tally().turnedAway;
        await until(
          'senders are turned away',
          async () => (sender.tally().turnedAway > turned + 10 ? true : null),
          120_000,
        );
      }
      disk.empty();
      await expectAllOnce(site, sender, 0);
      expect((await receiverOf(site))?.state).toBe('ok');
    },
  );
});
