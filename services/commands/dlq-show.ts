import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { decodeActionEvent } from '../../schemas/action-event-codec.ts';
import { decodeAgentStep } from '../../schemas/agent-step-codec.ts';
import { originText, replayOf } from '../../schemas/dead-letter.ts';
import { decodeLogs, decodeTraces } from '../../schemas/otlp/decode.ts';
import { DEFAULT_TENANT, TENANT_HEADER } from '../../schemas/tenant.ts';
import { TOPICS } from '../../schemas/topics.ts';
import { requireStoredData } from './data-folder.ts';
import { logActs } from './dlq-actor.ts';
import { type DeadLetter, readDeadLetters } from './dlq-read.ts';
import type { Selection } from './dlq-selection.ts';
import { withLog, withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

/** What of the contents is wanted: nothing, a look of so many bytes, or all of them in a file. */
export interface ShowOptions {
  readonly bytes: number;
  readonly out: string | null;
}

const UNREDACTED = 'These are the bytes as they were sent: nothing in them is redacted. The look is in access_log.';
/** Header values of senders may be long, and are theirs. */
const HEADER_CHARS_MAX = 200;

/** Prints one dead letter: origin, reason, size, what today's version says of it. Resolves to 0, or 1 when it is not kept. */
export const showDeadLetter = async (world: World, selection: Selection, options: ShowOptions): Promise<number> => {
  requireStoredData(world.config);
  return withLog(world, async (log) => {
    const found: DeadLetter[] = [];
    await readDeadLetters(world, log, selection, async (letter) => {
      found.push(letter);
      return 'enough';
    });
    const [letter] = found;
    if (letter === undefined) {
      world.progress('no topic of dead letters holds it: it was never refused, or retention has removed its bytes');
      return 1;
    }
    tell(world, letter);
    if (options.bytes > 0 || options.out !== null) await contents(world, letter, options);
    return 0;
  });
};

const tell = (world: World, { origin, record }: DeadLetter): void => {
  const { headers, value } = record;
  const first = replayOf(headers);
  const lines: readonly (readonly [string, string])[] = [
    ['origin', originText(origin)],
    ...(first === null ? [] : [['first origin', first] as const]),
    ['refused by', headers['service'] ?? 'normalizer'],
    ['reason', headers['reason'] ?? ''],
    ['logged at', `${headers['first_seen'] ?? ''} UTC`],
    ['size', `${value.length} bytes, sha256 ${createHash('sha256').update(value).digest('hex')}`],
    ['key', record.key === null ? 'none' : printable(record.key)],
    ['read today', readToday(origin.topic, record.value, headers)],
  ];
  for (const [name, text] of lines) world.print(`${name.padEnd(14)} ${text}`);
  for (const [name, text] of Object.entries(headers))
    world.print(`header         ${printable(Buffer.from(`${name}: ${text}`))}`);
};

/** Text that a terminal can be given: control characters are the sender's too. */
const printable = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(0, HEADER_CHARS_MAX))
    .toString('utf8')
    .replace(/[^\x20-\x7e\u00a0-\uffff]/g, '·');

/** What this version makes of the record: whether a replay would help. */
const readToday = (topic: string, value: Uint8Array, headers: Readonly<Record<string, string>>): string => {
  if (topic === TOPICS.actions) return verdict(decodeActionEvent(value, headers));
  if (topic === TOPICS.steps) return verdict(decodeAgentStep(value));
  if (topic === TOPICS.violations || topic === TOPICS.incidents) return 'not tried: replay it and see';
  const decoded = topic === TOPICS.logs ? decodeLogs(value) : decodeTraces(value);
  if (decoded.kind === 'refused') return verdict(decoded);
  const { items, refusals } = decoded.value;
  const reasons = [...new Set(refusals.map(({ reason }) => reason))].join(', ');
  return `${items.length} fine, ${refusals.length} refused${reasons === '' ? '' : ` (${reasons})`}`;
};

const verdict = (
  outcome: { readonly kind: 'ok' } | { readonly kind: 'refused'; readonly reason: string; readonly detail: string },
) => (outcome.kind === 'ok' ? 'fine' : `refused: ${outcome.reason}, ${outcome.detail}`);

/** The look is written down before it is given: if it cannot be, it is not given. */
const contents = async (world: World, { origin, record }: DeadLetter, options: ShowOptions): Promise<void> => {
  const { value, headers } = record;
  await withStoredData(world, async ({ store }) => {
    const tenant = headers[TENANT_HEADER] ?? DEFAULT_TENANT;
    const detail = options.out === null ? `${Math.min(options.bytes, value.length)} bytes` : 'all bytes, into a file';
    await logActs(world, store, [{ action: 'dlq_read', tenant, subject: originText(origin), detail }]);
  });
  world.progress(UNREDACTED);
  if (options.out !== null) {
    writeFileSync(options.out, value, { mode: 0o600, flag: 'wx' });
    world.print(`written        ${options.out}`);
  }
  for (let at = 0; at < Math.min(options.bytes, value.length); at += 16) {
    const row = value.subarray(at, Math.min(at + 16, options.bytes));
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = [...row].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    world.print(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
};
