/** The ids of a user namespace (man 7 user_namespaces): which id inside is which id outside. */

/** A run of ids: `size` of them from `inside` on are those from `outside` on. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

/** The user and group ids of a user namespace. */
export interface IdMap {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** What the kernel shows for an id that is not mapped (/proc/sys/kernel/overflowuid). */
export const OVERFLOW_ID = 65534;

/** The id outside of `inside`; undefined when it is not mapped. */
export function toOutside(ranges: readonly IdRange[], inside: number): number | undefined {
  const range = ranges.find((r) => inside >= r.inside && inside < r.inside + r.size);
  return range && range.outside + (inside - range.inside);
}

/** The id inside of `outside`; undefined when it is not mapped. */
export function toInside(ranges: readonly IdRange[], outside: number): number | undefined {
  const range = ranges.find((r) => outside >= r.outside && outside < r.outside + r.size);
  return range && range.inside + (outside - range.outside);
}

/** The highest id inside. */
export function lastInside(ranges: readonly IdRange[]): number {
  return Math.max(...ranges.map(({ inside, size }) => inside + size - 1));
}

/** The text of /proc/PID/uid_map. */
export function idMapText(ranges: readonly IdRange[]): string {
  return ranges.map(({ inside, outside, size }) => `${inside} ${outside} ${size}\n`).join('');
}
