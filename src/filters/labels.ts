/** Labels against the filters `label` and `label!`. */

export type Labels = Readonly<Record<string, string>>;

/** True when `wanted`, a `key` or a `key=value`, is among `labels`. */
export function hasLabel(labels: Labels | null | undefined, wanted: string): boolean {
  const at = wanted.indexOf('=');
  const key = at < 0 ? wanted : wanted.slice(0, at);
  if (!labels || !Object.hasOwn(labels, key)) return false;
  return at < 0 || labels[key] === wanted.slice(at + 1);
}

/** True when `labels` has every one of the filter `label`, and none of `label!`. */
export function matchLabels(
  labels: Labels | null | undefined,
  filters: Readonly<Record<string, readonly string[]>>,
): boolean {
  const has = (wanted: string): boolean => hasLabel(labels, wanted);
  return (filters.label ?? []).every(has) && !(filters['label!'] ?? []).some(has);
}
