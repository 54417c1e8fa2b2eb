/** What two payloads have different, field by field. */
export interface Difference {
  /** Name of the payload. */
  payload: string;
  /** Path of the field, list positions included: `body.Mounts[0].Mode`. */
  field: string;
  /** JSON; undefined where the field is absent. */
  ours: string | undefined;
  theirs: string | undefined;
}

/** Where a difference is. */
export const place = ({ payload, field }: Difference): string => `${payload} ${field}`;

/** All fields in which `ours` and `theirs` differ; a list or object that only one side has counts once. */
export function differences(payload: string, ours: unknown, theirs: unknown, field = ''): Difference[] {
  if (Object.is(ours, theirs)) return [];
  if (isObject(ours) && isObject(theirs) && Array.isArray(ours) === Array.isArray(theirs)) {
    const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...keys].flatMap((key) => {
      const step = Array.isArray(ours) ? `[${key}]` : field === '' ? key : `.${key}`;
      return differences(payload, ours[key], theirs[key], field + step);
    });
  }
  return [{ payload, field, ours: JSON.stringify(ours), theirs: JSON.stringify(theirs) }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
