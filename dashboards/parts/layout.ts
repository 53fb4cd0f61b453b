import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { GridPos, Panel } from '@grafana/grafana-foundation-sdk/dashboard';

/** A panel that waits for its place. Widths of a band add up to at most 24, Grafana's grid. */
export interface Placeable {
  readonly width: number;
  readonly at: (place: GridPos) => Builder<Panel>;
}

/** Panels beside each other, of one height. */
export interface Band {
  readonly height: number;
  readonly panels: readonly Placeable[];
}

/** Bands from top to bottom, panels from left to right: nothing overlaps. */
export const placed = (bands: readonly Band[]): readonly Builder<Panel>[] => {
  let y = 0;
  return bands.flatMap(({ height, panels }) => {
    let x = 0;
    const builders = panels.map(({ width, at }) => {
      const builder = at({ x, y, w: width, h: height });
      x += width;
      return builder;
    });
    y += height;
    return builders;
  });
};
