import type { Row } from '../../services/runtime/ports.ts';
import { DEAD_LETTER_TABLE } from '../../services/runtime/stream/dead-letters.ts';
import { STATE_TABLE } from '../../services/runtime/stream/types.ts';
import type { SimulatedStore } from './store.ts';
import { INPUT, STEPS } from './tasks.ts';
import { idOf, isPoison, type Traffic } from './traffic.ts';

const countBy = <T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
};

/** Each accepted record has its row once; one that was removed before it was read, perhaps. */
const judgeRaw = (store: SimulatedStore, traffic: Traffic): readonly string[] => {
  const keyOf = (id: string, logId: unknown, partition: unknown): string =>
    `${id} of ${String(logId)}/${String(partition)}`;
  const rows = countBy(store.rows('spans'), (row) =>
    keyOf(String(row['step_id']), row['log_id'], row['log_partition']),
  );
  const sent = traffic.taken.filter((one) => one.topic === INPUT && !isPoison(one));
  const removed = new Set(
    sent.filter((one) => one.isRemoved).map((one) => keyOf(idOf(one.text), one.logId, one.partition)),
  );
  const problems: string[] = [];
  for (const key of new Set(sent.map((one) => keyOf(idOf(one.text), one.logId, one.partition)))) {
    const count = rows.get(key) ?? 0;
    rows.delete(key);
    if (count > 1 && !removed.has(key)) problems.push(`spans: ${key} stands ${count} times`);
    if (count === 0 && !removed.has(key)) problems.push(`spans: ${key} is lost`);
  }
  for (const key of rows.keys()) problems.push(`spans: ${key} was never sent`);
  return problems;
};

/** Each step is counted once, however often it came. */
export const judgeTallies = (store: SimulatedStore, traffic: Traffic): readonly string[] => {
  const rows = store.rows('tallies');
  const counted = countBy(
    rows.flatMap((row) => String(row['steps']).split(' ')),
    (id) => id,
  );
  const sent = traffic.taken.filter((one) => (one.topic === INPUT || one.topic === STEPS) && !isPoison(one));
  const removed = new Set(sent.filter((one) => one.isRemoved).map((one) => idOf(one.text)));
  const problems: string[] = [];
  for (const id of new Set(sent.map((one) => idOf(one.text)))) {
    const count = counted.get(id) ?? 0;
    if (count > 1 && !traffic.repeatable.has(id) && !removed.has(id))
      problems.push(`tallies: ${id} is counted ${count} times`);
    if (count === 0 && !removed.has(id)) problems.push(`tallies: ${id} is lost`);
  }
  const variants = new Map<unknown, unknown>();
  for (const row of rows) {
    const of = variants.get(row['batch_id']) ?? row['variant'];
    variants.set(row['batch_id'], of);
    if (of !== row['variant']) problems.push(`tallies: batch ${String(row['batch_id'])} was judged by two variants`);
  }
  return problems;
};

/** What cannot be read is kept, at least once, and each reader of it has one row that says so. */
const judgeDeadLetters = (store: SimulatedStore, traffic: Traffic, folds: number): readonly string[] => {
  const kept = new Set(traffic.taken.filter((one) => one.topic.endsWith('.dlq')).map((one) => one.text));
  const placeOf = (logId: unknown, partition: unknown, offset: unknown): string =>
    `${String(logId)}/${String(partition)}/${String(offset)}`;
  const rows = countBy(store.rows(DEAD_LETTER_TABLE), (row) =>
    placeOf(row['log_id'], row['log_partition'], row['log_offset']),
  );
  return traffic.taken
    .filter((one) => !one.topic.endsWith('.dlq') && isPoison(one) && !one.isRemoved)
    .flatMap((one) => {
      const found = rows.get(placeOf(one.logId, one.partition, one.offset)) ?? 0;
      const wanted = one.topic === INPUT ? 1 : folds;
      return [
        ...(kept.has(one.text) ? [] : [`dead letters: ${one.text} is lost`]),
        ...(found === wanted ? [] : [`dead_letters: ${one.text} has ${found} rows instead of ${wanted}`]),
      ];
    });
};

/** Batches follow each other without a hole; where retention made one, somebody was told. */
const judgeManifest = (store: SimulatedStore, gaps: readonly string[]): readonly string[] => {
  const places = new Map<string, Row[]>();
  for (const row of store.rows('batches')) {
    const place = `${String(row['service'])} ${String(row['log_id'])} ${String(row['topic'])}/${String(row['partition'])}`;
    places.set(place, [...(places.get(place) ?? []), row]);
  }
  const problems: string[] = [];
  for (const [place, rows] of places) {
    const isTold = gaps.some((gap) => place.includes(` ${gap.split(' ')[0]}`));
    let end: number | null = null;
    for (const row of rows.sort((a, b) => Number(a['first']) - Number(b['first']))) {
      const first = Number(row['first']);
      if (end !== null && first < end) problems.push(`batches: ${place} has ${first} twice`);
      if (end !== null && first > end && !isTold)
        problems.push(`batches: ${place} lacks ${end}..${first}, and nobody was told`);
      end = Number(row['end']);
    }
  }
  return problems;
};

/** Tables of several services. */
const SHARED = new Set([STATE_TABLE, DEAD_LETTER_TABLE]);

/** The tables hold of each batch what its manifest row says. */
const judgeCounts = (store: SimulatedStore): readonly string[] => {
  const held = new Map<string, number>();
  const add = (table: string, row: Row): void => {
    const service = SHARED.has(table) ? String(row['service']) : '';
    const key = `${table} ${service} ${String(row['batch_id'])}`;
    held.set(key, (held.get(key) ?? 0) + 1);
  };
  // Batches of two services with the same boundaries have the same id: each counts only in tables of its own.
  const tables = new Map<unknown, Set<string>>();
  for (const row of store.rows('batches')) {
    const own = tables.get(row['service']) ?? new Set();
    for (const table of Object.keys(row['rows'] as object)) own.add(table);
    tables.set(row['service'], own);
  }
  const all = new Set([...tables.values()].flatMap((own) => [...own]));
  for (const table of all) for (const row of store.rows(table)) add(table, row);
  return store.rows('batches').flatMap((row) =>
    [...(tables.get(row['service']) ?? [])].flatMap((table) => {
      const count = (row['rows'] as Readonly<Record<string, number>>)[table] ?? 0;
      const service = SHARED.has(table) ? String(row['service']) : '';
      const found = held.get(`${table} ${service} ${String(row['batch_id'])}`) ?? 0;
      return found === count
        ? []
        : [`${table}: batch ${String(row['batch_id'])} has ${found} rows instead of ${count}`];
    }),
  );
};

/** Everything that is not as promised; [] when all is well. `folds`: how many services read the steps. */
export const judge = (
  store: SimulatedStore,
  traffic: Traffic,
  gaps: readonly string[],
  folds: number,
): readonly string[] => [
  ...judgeRaw(store, traffic),
  ...judgeDeadLetters(store, traffic, folds),
  ...judgeManifest(store, gaps),
  ...judgeCounts(store),
];
