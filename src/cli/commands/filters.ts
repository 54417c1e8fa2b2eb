/** `--filter` values as the API wants them: JSON of name → values. */

/** Encodes parsed filters (`name=value`); undefined when there are none. */
export function encodeFilters(filters: readonly string[], more: readonly string[] = []): string | undefined {
  const all = [...filters, ...more];
  if (all.length === 0) return undefined;
  const map: Record<string, Record<string, boolean>> = {};
  for (const filter of all) {
    const equals = filter.indexOf('=');
    const name = filter.slice(0, equals);
    map[name] = { ...map[name], [filter.slice(equals + 1)]: true };
  }
  return JSON.stringify(map);
}
