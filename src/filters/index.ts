/** What the filters of lists, prunes and events have in common, whatever they filter. */
export { hasLabel, type Labels, matchLabels } from './labels.ts';
export { parseTimestamp } from './timestamp.ts';

/** Docker's filters: for each key the wanted values. */
export type Filters = Readonly<Record<string, readonly string[]>>;
