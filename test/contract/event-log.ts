import { afterEach, beforeEach, describe } from 'vitest';
import { describeAppend } from './event-log-append.ts';
import { describeConsume } from './event-log-consume.ts';
import type { ContractContext, LogUnderTest } from './event-log-fixture.ts';
import { describeGroups } from './event-log-groups.ts';

export interface ContractSettings {
  /** How long a test polls for what must come: rebalances of a real broker take seconds. */
  readonly deadlineMs: number;
}

const run = `${process.pid}-${process.hrtime.bigint().toString(36)}`;
let names = 0;

/**
 * What every event log promises (services/runtime/ports.ts). `open` is called before each test; names are unique, so
 * that the log may be shared between tests and runs.
 */
export const eventLogContract = (
  name: string,
  open: () => Promise<LogUnderTest>,
  settings: ContractSettings = { deadlineMs: 20_000 },
): void => {
  describe(`event log contract: ${name}`, { timeout: settings.deadlineMs * 3 }, () => {
    let under: LogUnderTest | null = null;
    let closers: (() => Promise<void>)[] = [];
    beforeEach(async () => {
      closers = [];
      under = await open();
    }, settings.deadlineMs * 3);
    afterEach(async () => {
      for (const close of closers.reverse()) await close();
      await under?.close();
    }, settings.deadlineMs * 3);
    const context: ContractContext = {
      under: () => {
        if (under === null) throw new Error('the log is not open');
        return under;
      },
      unique: (stem) => {
        names += 1;
        return `${stem}-${run}-${names}`;
      },
      deadlineMs: settings.deadlineMs,
      defer: (close) => closers.push(close),
    };
    describeAppend(context);
    describeConsume(context);
    describeGroups(context);
  });
};
