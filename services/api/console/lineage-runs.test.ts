import { describe, expect, test } from 'vitest';
import type { DrawnEdge, DrawnNode } from './lineage-layout.ts';
import { mergeRuns } from './lineage-runs.ts';

const node = (kind: DrawnNode['kind'], id: string, layer: number, isFocus = false): DrawnNode => ({
  key: `${kind}:${id}`,
  kind,
  label: id,
  layer,
  href: `/${id}`,
  isFocus,
});
const edge = (from: string, to: string, name = 'invokes'): DrawnEdge => ({ from, to, edge: name, isRough: false });
const runs = (count: number, layer: number) => Array.from({ length: count }, (_, at) => node('run', `r${at}`, layer));
const triage = node('agent', 'triage', 1, true);

describe('many runs in a picture of lineage', () => {
  test('are one box a layer that says how many, with one line where each had its own', () => {
    const many = runs(40, 0);
    const { nodes, edges } = mergeRuns(
      [...many, triage, node('tool', 'search', 2)],
      [
        ...many.map((run) => edge(run.key, 'agent:triage')),
        edge('run:r0', 'tool:search'),
        edge('agent:triage', 'tool:search'),
      ],
      '/runs?agent=triage',
    );
    expect(nodes.map(({ label, href }) => [label, href])).toEqual([
      ['triage', '/triage'],
      ['search', '/search'],
      ['40 runs', '/runs?agent=triage'],
    ]);
    const box = nodes.at(-1)?.key ?? '';
    expect(edges.map(({ from, to }) => [from, to])).toEqual([
      [box, 'agent:triage'],
      [box, 'tool:search'],
      ['agent:triage', 'tool:search'],
    ]);
  });

  test('stay single while they are few, and the one the page is about always does', () => {
    const few = [...runs(3, 0), triage];
    const lines = [edge('run:r0', 'agent:triage')];
    expect(mergeRuns(few, lines, null)).toEqual({ nodes: few, edges: lines });
    const focus = node('run', 'here', 0, true);
    expect(mergeRuns([focus, ...runs(9, 0)], [], null).nodes.map(({ label }) => label)).toEqual(['here', '9 runs']);
  });

  test('a line among merged runs vanishes with them; a node that points at itself keeps its line', () => {
    const { edges } = mergeRuns(
      [...runs(5, 0), triage],
      [edge('run:r0', 'run:r1', 'hands_off'), edge('agent:triage', 'agent:triage', 'delegates')],
      null,
    );
    expect(edges.map(({ edge: name }) => name)).toEqual(['delegates']);
  });
});
