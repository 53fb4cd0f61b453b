import { existsSync } from 'node:fs';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { DEFAULT_TENANT, isTenant } from '../../schemas/tenant.ts';
import { TransportError } from '../runtime/errors.ts';
import { type OtlpPayload, sendOtlp } from '../runtime/otlp-sender.ts';
import { countPayload, createTally, type ImportOptions, type Tally } from './import-tally.ts';
import { compareStored, waitUntilPassed } from './import-wait.ts';
import { listFiles, readPayloads } from './payload-files.ts';
import type { World } from './world.ts';

/** How long an endpoint may be away before an import gives up: a restart, not an outage. */
const RETRY_FOR_MS = 120_000;
const PROGRESS_EVERY_MS = 1_000;
/** Called with something that cannot be sent: nothing was. */
const EXIT_USAGE = 2;

/** Sends recorded OTLP to an endpoint; with `wait` returns when all of it can be queried. Resolves to the exit code. */
export const importFiles = async (world: World, options: ImportOptions): Promise<number> => {
  const wrong = problemsOf(options);
  for (const problem of wrong) world.progress(problem);
  if (wrong.length > 0) return EXIT_USAGE;
  const files = listFiles(options.paths);
  const tally = createTally();
  const shiftMs = options.now ? await shiftToNow(world, files) : undefined;
  await sendFiles(world, options, files, shiftMs, tally);
  report(world, tally, files.length);
  if (!options.wait) return tally.problems.length === 0 ? 0 : 1;
  await waitUntilPassed(world, options, tally);
  return (await compareStored(world, options, tally)) && tally.problems.length === 0 ? 0 : 1;
};

/** What no attempt could mend: said before anything is sent. */
const problemsOf = ({ paths, to, api, tenant }: ImportOptions): readonly string[] => [
  ...paths.filter((path) => !existsSync(path)).map((path) => `${path}: no such file or folder`),
  ...paths
    .filter((path) => existsSync(path) && listFiles([path]).length === 0)
    .map((path) => `${path}: no file in it ends in .bin, .json, .ndjson or .ndjson.gz`),
  ...[to, api]
    .filter((url) => !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    .map((url) => `${url}: not an address; write http://host:port`),
  ...(tenant === null || isTenant(tenant) ? [] : [`--tenant ${tenant}: letters, digits and .@_- only, 64 at most`]),
];

const sendFiles = async (
  world: World,
  options: ImportOptions,
  files: readonly string[],
  shiftMs: number | undefined,
  tally: Tally,
): Promise<void> => {
  let shownMs = world.clock.nowMs();
  for (const [at, file] of files.entries()) {
    for await (const entry of readPayloads(file)) {
      if (entry.kind === 'payload')
        await sendOne(world, options, entry.source, withShift(entry.payload, shiftMs), tally);
      else if (entry.kind === 'skipped') tally.skipped.push(`${entry.source}: ${entry.reason}`);
      else tally.problems.push(`${entry.source}: cannot be read, ${entry.reason}`);
      if (world.stop.aborted) throw new TransportError('ABORTED', 'import stopped', { retryable: false });
      if (world.clock.nowMs() - shownMs < PROGRESS_EVERY_MS) continue;
      shownMs = world.clock.nowMs();
      world.progress(`file ${at + 1} of ${files.length}: ${tally.spans} spans, ${tally.logs} log records sent`);
    }
  }
};

const withShift = (payload: OtlpPayload, timeShiftMs: number | undefined): OtlpPayload =>
  timeShiftMs === undefined ? payload : { ...payload, timeShiftMs };

const sendOne = async (world: World, options: ImportOptions, source: string, payload: OtlpPayload, tally: Tally) => {
  let isTold = false;
  const settings = {
    ...{ url: options.to, tenant: options.tenant, token: options.token, retryForMs: RETRY_FOR_MS },
    onRetry: (why: string) => {
      if (!isTold) world.progress(`${options.to} does not take data yet (${why}): trying for ${RETRY_FOR_MS / 1000} s`);
      isTold = true;
    },
  };
  const answer = await sendOtlp(settings, payload, world.clock, world.stop);
  tally.requests += 1;
  if (answer.status >= 400) {
    tally.problems.push(`${source}: refused, ${answer.message}`);
    return;
  }
  for (const position of answer.positions) {
    const at = position.lastIndexOf('/');
    const partition = position.slice(0, at);
    tally.positions.set(partition, Math.max(tally.positions.get(partition) ?? 0, Number(position.slice(at + 1))));
  }
  countPayload(options.tenant ?? DEFAULT_TENANT, payload, tally);
};

const report = (world: World, tally: Tally, files: number): void => {
  world.print(
    `sent: ${tally.spans} spans, ${tally.logs} log records, ${tally.metricRequests} metric requests in ${tally.requests} requests from ${files} files`,
  );
  if (tally.refused > 0) world.print(`refused by the receiver: ${tally.refused} items`);
  for (const skipped of tally.skipped) world.print(`skipped: ${skipped}`);
  for (const problem of tally.problems) world.print(`problem: ${problem}`);
};

/** Milliseconds by which the newest recorded time lies before now. */
const shiftToNow = async (world: World, files: readonly string[]): Promise<number> => {
  let newest = 0n;
  for (const file of files)
    for await (const entry of readPayloads(file))
      if (entry.kind === 'payload') newest = later(newest, newestTime(entry.payload));
  return newest === 0n ? 0 : world.clock.nowMs() - Number(newest / 1_000_000n);
};

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b);

const newestTime = (payload: OtlpPayload): bigint => {
  if (payload.signal === 'traces') {
    const decoded = decodeTraces(payload.body);
    return decoded.kind === 'refused'
      ? 0n
      : decoded.value.items.reduce((latest, { item }) => later(latest, item.endUnixNano), 0n);
  }
  const decoded = payload.signal === 'logs' ? decodeLogs(payload.body) : null;
  if (decoded === null || decoded.kind === 'refused') return 0n;
  return decoded.value.items.reduce(
    (latest, { item }) => later(latest, item.timeUnixNano || item.observedUnixNano),
    0n,
  );
};
