/** A partition of a subscribed topic and the member that has it so far. */
export interface AssignablePartition {
  readonly topic: string;
  readonly partition: number;
  readonly current: string | null;
}

export interface AssignableMember {
  readonly id: string;
  readonly topics: readonly string[];
}

/**
 * Gives every partition a member that subscribes to its topic, or null when none does: sticky (what a live member has
 * stays with it) and balanced (no subscriber of a topic has two partitions less than another one it could relieve).
 * Pure; same input, same output; answers in the order of `partitions`.
 */
export const assignPartitions = (
  partitions: readonly AssignablePartition[],
  members: readonly AssignableMember[],
): readonly (string | null)[] => {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  const load = new Map(sorted.map((member) => [member.id, 0]));
  const loadOf = (id: string): number => load.get(id) ?? 0;
  const add = (id: string, by: number): void => void load.set(id, loadOf(id) + by);
  const leastLoaded = (topic: string): string | null => {
    let best: string | null = null;
    for (const member of sorted) {
      if (member.topics.includes(topic) && (best === null || loadOf(member.id) < loadOf(best))) best = member.id;
    }
    return best;
  };
  const owners = partitions.map(({ topic, current }) => {
    const stays = sorted.some((member) => member.id === current && member.topics.includes(topic));
    if (!stays || current === null) return null;
    add(current, 1);
    return current;
  });
  const give = (index: number, to: string | null): void => {
    owners[index] = to;
    if (to !== null) add(to, 1);
  };
  for (const [index, { topic }] of partitions.entries()) {
    if (owners[index] === null) give(index, leastLoaded(topic));
  }
  // Each move narrows a difference of at least two, so this ends; the bound only guards against a bug.
  for (let moves = 0; moves < partitions.length * sorted.length; moves += 1) {
    const index = partitions.findLastIndex(({ topic }, at) => {
      const from = owners[at] ?? null;
      const to = leastLoaded(topic);
      return from !== null && to !== null && loadOf(from) - loadOf(to) >= 2;
    });
    const moved = partitions[index];
    if (moved === undefined) break;
    const to = leastLoaded(moved.topic);
    add(owners[index] ?? '', -1);
    give(index, to);
  }
  return owners;
};
