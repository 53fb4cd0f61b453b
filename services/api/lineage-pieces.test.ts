import { describe, expect, test } from 'vitest';
import { askInPieces } from './lineage-pieces.ts';
import type { NodeName } from './queries/lineage.ts';

const nodes = (kind: NodeName['kind'], count: number, id = ''): readonly NodeName[] =>
  Array.from({ length: count }, (_, at) => ({ kind, id: `${kind}-${at}${id}` }));

/** Asks for nodes that have so many edges each, with room for so many in all; gives the pieces. */
const pieces = async (asked: readonly NodeName[], edgesEach: (node: NodeName) => number, roomMax: number) => {
  const given: (readonly NodeName[])[] = [];
  let room = roomMax;
  const found = await askInPieces(
    asked,
    () => room,
    async (piece) => {
      if (room <= 0) return null;
      given.push(piece);
      const edges = piece.flatMap((node) => Array.from({ length: edgesEach(node) }, () => node)).slice(0, room);
      room -= edges.length;
      return edges;
    },
  );
  return { given, sizes: given.map(({ length }) => length), found };
};

describe('the pieces of a round', () => {
  test('are few where nodes have few edges, and every node is asked for once, in order', async () => {
    const asked = nodes('dataset', 900);
    const { given, sizes } = await pieces(asked, () => 1, 2_000);
    expect(sizes).toEqual([8, 128, 764]);
    expect(given.flat()).toEqual(asked);
  });

  test('stay small where a few nodes fill the room, and end there', async () => {
    const { sizes, found } = await pieces(nodes('tool', 400), () => 100, 2_000);
    expect(sizes).toEqual([8, 12]);
    expect(found).toHaveLength(2_000);
  });

  test('are of one kind: what users have says nothing of tools', async () => {
    const { given, sizes } = await pieces(
      [...nodes('user', 30), ...nodes('tool', 300)],
      ({ kind }) => (kind === 'tool' ? 200 : 0),
      2_000,
    );
    expect(given.every((piece) => new Set(piece.map(({ kind }) => kind)).size === 1)).toBe(true);
    expect(sizes).toEqual([8, 22, 8, 8]);
  });

  test('fit one query, however long ids are; one that fits none is asked for alone', async () => {
    const { given } = await pieces(nodes('file', 200, 'x'.repeat(1_000)), () => 0, 2_000);
    expect(Math.max(...given.map((piece) => piece.reduce((sum, { id }) => sum + id.length, 0)))).toBeLessThan(32_768);
    const { sizes } = await pieces(nodes('file', 2, 'x'.repeat(40_000)), () => 0, 2_000);
    expect(sizes).toEqual([1, 1]);
  });
});
