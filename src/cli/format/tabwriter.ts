/**
 * Aligns columns as Go's text/tabwriter does: cells end with a tab; a column is as wide as the widest of a run
 * of neighbouring lines that have that cell; the last cell of a line belongs to no column.
 */

/** Cell geometry. Docker's tables are at least 10 wide with 3 spaces between. */
export interface TabOptions {
  minWidth: number;
  padding: number;
}

const DOCKER: TabOptions = { minWidth: 10, padding: 3 };

const width = (text: string): number => [...text].length;

/** Aligns text whose lines hold tab-terminated cells. */
export function alignTabs(text: string, options: TabOptions = DOCKER): string {
  const closed = text.endsWith('\n');
  const lines = (closed ? text.slice(0, -1) : text).split('\n').map((line) => line.split('\t'));
  const widths = lines.map((cells) => new Array<number>(cells.length - 1).fill(0));
  const columns = Math.max(0, ...widths.map((w) => w.length));
  for (let column = 0; column < columns; column++) {
    for (let top = 0; top < lines.length; ) {
      if ((widths[top]?.length ?? 0) <= column) {
        top++;
        continue;
      }
      let bottom = top;
      let widest = options.minWidth;
      while (bottom < lines.length && (widths[bottom]?.length ?? 0) > column) {
        widest = Math.max(widest, width(lines[bottom]?.[column] ?? '') + options.padding);
        bottom++;
      }
      for (let row = top; row < bottom; row++) (widths[row] as number[])[column] = widest;
      top = bottom;
    }
  }
  const aligned = lines.map((cells, row) =>
    cells
      .map((cell, i) =>
        i === cells.length - 1 ? cell : cell + ' '.repeat((widths[row]?.[i] ?? 0) - width(cell)),
      )
      .join(''),
  );
  return aligned.join('\n') + (closed ? '\n' : '');
}
