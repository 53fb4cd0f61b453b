import type { SenderRow, TelemetryReport } from '../api/telemetry/read.ts';
import { readTelemetry } from '../api/telemetry/read.ts';
import { sinceMs } from './typed-range.ts';
import { withStoredData } from './with-stored-data.ts';
import type { World } from './world.ts';

export interface TelemetryAsk {
  /** undefined: every tenant. */
  readonly tenant: string | undefined;
  /** A duration before now: `90s`, `30m`, `24h`, `7d`. */
  readonly since: string;
  readonly isJson: boolean;
}

/** Says what the stored telemetry lacks or gets wrong, sender by sender. Resolves to 1 when figures are wrong, else 0. */
export const doctorTelemetry = async (world: World, ask: TelemetryAsk): Promise<number> => {
  const ms = sinceMs(ask.since);
  return withStoredData(world, async (opened) => {
    const toMs = world.clock.nowMs() + 1;
    const report = await readTelemetry(opened.store, { tenant: ask.tenant ?? null, fromMs: toMs - ms, toMs });
    if (ask.isJson) world.print(JSON.stringify(jsonOf(report), null, 2));
    else for (const line of tableOf(report, ask.since)) world.print(line);
    return report.findings.some(({ finding }) => finding.severity === 'wrong') ? 1 : 0;
  });
};

const jsonOf = ({ findings, senders }: TelemetryReport) => ({
  findings: findings.map(({ finding, rows }) => ({
    id: finding.id,
    severity: finding.severity,
    title: finding.title,
    effect: finding.effect,
    senders: rows,
  })),
  senders,
});

const MARKS = { wrong: 'FIX ', unknown: 'LOOK', thin: 'thin' } as const;

/** The report as lines for a terminal: a finding, what it does, then its senders with the fix where it differs. */
export const tableOf = ({ findings, senders }: TelemetryReport, since: string): readonly string[] => {
  if (senders.length === 0 && findings.length === 0) return [`No telemetry was stored in the last ${since}.`];
  const lines = findings.flatMap(({ finding, rows }) => [
    `${MARKS[finding.severity]}  ${finding.title} (${finding.id})`,
    `      ${finding.effect}`,
    ...sendersTable(rows),
    ...[...new Set(rows.map((row) => row.fix))].map((fix) => `      → ${fix}${forWhom(rows, fix)}`),
    '',
  ]);
  const clean = senders.filter(
    (sender) =>
      !findings.some(({ rows }) =>
        rows.some((row) => row.service === sender.service && row.tenant_id === sender.tenant_id),
      ),
  );
  return [
    ...lines,
    `${findings.length} finding(s), ${senders.length} sender(s) in the last ${since}${clean.length > 0 ? `; nothing to say about ${clean.map((sender) => printable(sender.service)).join(', ')}` : ''}.`,
  ];
};

/** What a sender names itself could hold anything; a terminal gets one line of printable text of it. */
const printable = (text: string): string => text.replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?').slice(0, 160);

const forWhom = (rows: readonly SenderRow[], fix: string): string => {
  const families = [...new Set(rows.filter((row) => row.fix === fix).map((row) => row.family))];
  return new Set(rows.map((row) => row.fix)).size > 1 ? ` (${families.map(printable).join(', ')})` : '';
};

const sendersTable = (rows: readonly SenderRow[]): readonly string[] => {
  const cells = rows.map((row) => [
    printable(row.tenant_id),
    printable(row.service) || '(unread)',
    printable(row.family),
    touched(row),
    printable(row.detail),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  return cells.map((line) =>
    `      ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
};

/** Unknown is a dash, never 0. */
const touched = (row: SenderRow): string => {
  const calls =
    row.calls === null
      ? ''
      : `${row.calls}${row.calls_of_sender === null ? '' : ` of ${row.calls_of_sender}`} ${row.calls === 1 && row.calls_of_sender === null ? 'call' : 'calls'}`;
  const steps = row.steps === null ? '' : `${row.steps} record${row.steps === 1 ? '' : 's'}`;
  return [calls, steps].filter((text) => text !== '').join(', ') || '–';
};
