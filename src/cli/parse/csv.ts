/** One line of comma-separated values with double quotes (RFC 4180), as `--mount`, `--network` and `--gpus` take. */

/** @throws Error with the words of Go's encoding/csv */
export function parseCsvLine(line: string): string[] {
  const fields: string[] = [];
  let rest = line;
  for (;;) {
    if (rest.startsWith('"')) {
      const quoted = /^"((?:[^"]|"")*)"(,|$)/.exec(rest);
      if (!quoted)
        throw new Error(
          `parse error on line 1, column ${line.length - rest.length + 2}: extraneous or missing " in quoted-field`,
        );
      fields.push((quoted[1] ?? '').replaceAll('""', '"'));
      rest = rest.slice(quoted[0].length);
      if (quoted[2] === '') return fields;
      continue;
    }
    const comma = rest.indexOf(',');
    const field = comma < 0 ? rest : rest.slice(0, comma);
    if (field.includes('"')) {
      throw new Error(
        `parse error on line 1, column ${line.length - rest.length + field.indexOf('"') + 1}: bare " in non-quoted-field`,
      );
    }
    fields.push(field);
    if (comma < 0) return fields;
    rest = rest.slice(comma + 1);
  }
}

/** Splits at the first `separator`. @returns the value undefined when there is none */
export function cut(text: string, separator: string): [before: string, after: string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}
