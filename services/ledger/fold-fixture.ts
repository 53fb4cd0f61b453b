import type { AgentStep } from '../../schemas/agent-step.ts';
import { encodeAgentStep } from '../../schemas/agent-step-codec.ts';
import type { LedgerEntry } from '../../schemas/ledger-entry.ts';
import type { LogRecord, OutgoingRecord, Row } from '../runtime/ports.ts';
import { createLedgerFold, type KeptState } from './fold.ts';
import type { PriceBook } from './prices/price.ts';

/** The ledger as it stands behind its topic: what it tells itself comes back to it. */

export interface FoldRun {
  readonly entries: readonly LedgerEntry[];
  /** The newest row of each run, by `tenant|run_id`. */
  readonly runs: ReadonlyMap<string, Row>;
  readonly links: readonly Row[];
  /** State texts by key. */
  readonly states: ReadonlyMap<string, string>;
  /** Records the ledger wrote for itself. */
  readonly produced: readonly OutgoingRecord[];
}

/** How the next batch is taken from what waits: `from` 0…1 of the queue, `size` records. */
export interface Take {
  readonly from: number;
  readonly size: number;
}

const RECORDS_MAX = 200_000;

/**
 * Plays steps through the whole fold, records it makes for itself included, until nothing waits. `takes` decides the
 * order; when they are used up the rest comes in one batch after another. The state goes through its text each time.
 */
export const playLedger = (
  steps: readonly AgentStep[],
  prices: PriceBook,
  takes: readonly Take[] = [],
  isDoubled = false,
): FoldRun => {
  const ledger = createKeptLedger(prices);
  const queue = steps.map((step) => recordOf(encodeAgentStep(step), {}));
  const produced: OutgoingRecord[] = [];
  for (let batch = 0; queue.length > 0; batch += 1) {
    if (batch > RECORDS_MAX) throw new Error('the ledger never comes to rest');
    const { from, size } = takes[batch] ?? { from: 0, size: queue.length };
    const start = Math.min(Math.floor(from * queue.length), queue.length - 1);
    for (const record of ledger.take(queue.splice(start, Math.max(1, size)), batch)) {
      produced.push(record);
      const again = recordOf(record.value, record.headers ?? {});
      queue.push(...(isDoubled ? [again, again] : [again]));
    }
  }
  return { ...ledger.told(), produced };
};

/** One batch after another through the fold; its states are kept as text. */
const createKeptLedger = (prices: PriceBook) => {
  const fold = createLedgerFold(prices);
  const states = new Map<string, string>();
  const tables = new Map<string, Row[]>();
  const stateOf = (key: string): KeptState => {
    const text = states.get(key);
    return text === undefined ? fold.empty(key) : fold.parse(text);
  };
  const take = (records: readonly LogRecord[], batch: number): readonly OutgoingRecord[] => {
    const context = {
      batchId: `b${batch}`,
      loggedAtMs: 1_795_000_000_000 + batch,
      version: BigInt(batch),
      variant: '',
    };
    const inputs = records.map((record) => {
      const decoded = fold.decode(record);
      if (decoded.kind === 'refused') throw new Error(decoded.detail);
      return decoded.value;
    });
    return [...Map.groupBy(inputs, fold.keyOf)].flatMap(([key, own]) => {
      const stepped = fold.step(stateOf(key), own, context);
      states.set(key, fold.serialise(stepped.state));
      for (const { table, rows } of stepped.tables) {
        const written = tables.get(table) ?? [];
        written.push(...rows);
        tables.set(table, written);
      }
      return stepped.produce ?? [];
    });
  };
  const rowsOf = (table: string): readonly Row[] => tables.get(table) ?? [];
  const told = () => ({
    entries: rowsOf('ledger_entries') as readonly unknown[] as readonly LedgerEntry[],
    runs: new Map(rowsOf('runs').map((row) => [`${String(row['tenant_id'])}|${String(row['run_id'])}`, row])),
    links: rowsOf('run_links'),
    states,
  });
  return { take, told };
};

const recordOf = (value: Uint8Array, headers: Readonly<Record<string, string>>): LogRecord => ({
  offset: 0,
  timestampMs: 0,
  key: null,
  value,
  headers,
});
