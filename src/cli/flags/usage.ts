/** Help texts in Docker's layout: an aligned flag column, usages wrapped at the terminal's width. */
import type { Flag } from './flag.ts';

/** The widest `-x, --name type` decides the column where usages start. */
function leftColumn(flag: Flag): string {
  const names = flag.short ? `  -${flag.short}, --${flag.name}` : `      --${flag.name}`;
  if (flag.kind === 'bool') return names;
  return `${names} ${flag.display ?? flag.kind}`;
}

function shownDefault(flag: Flag): string {
  const value = flag.default;
  if (value === undefined || value === '' || value === 'false') {
    if (flag.kind === 'map') return ' (default map[])';
    return '';
  }
  return flag.kind === 'string' && !flag.display
    ? ` (default ${JSON.stringify(value)})`
    : ` (default ${value})`;
}

/** Breaks one line off: at most `width` (up to `slop` more to keep a short end on the line). */
function breakLine(text: string, width: number, slop: number): [line: string, rest: string] {
  if (width + slop > text.length && !text.includes('\n')) return [text, ''];
  const head = text.slice(0, width);
  const newline = text.indexOf('\n');
  const space = Math.max(head.lastIndexOf(' '), head.lastIndexOf('\t'));
  if (newline >= 0 && newline <= width + slop) return [text.slice(0, newline), text.slice(newline + 1)];
  if (width + slop > text.length || space <= 0) return [text, ''];
  return [text.slice(0, space), text.slice(space + 1)];
}

/** Wraps `text` to `width` columns with lines after the first indented; pflag's slop of five columns. */
function wrap(indent: number, width: number, text: string): string {
  const room = width - indent - 5;
  if (room < 24) return text.replaceAll('\n', `\n${' '.repeat(indent)}`);
  let [out, rest] = breakLine(text, room, 5);
  while (rest !== '') {
    const [line, next] = breakLine(rest, room, 5);
    out += `\n${' '.repeat(indent)}${line}`;
    rest = next;
  }
  return out;
}

/** The lines of an `Options:` section. @param width the terminal's, in columns */
export function flagUsages(flags: readonly Flag[], width: number): string {
  const shown = flags.filter((f) => !f.hidden).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const column = Math.max(0, ...shown.map((f) => leftColumn(f).length)) + 3;
  return shown
    .map((f) => leftColumn(f).padEnd(column) + wrap(column, width - 1, f.usage + shownDefault(f)))
    .join('\n');
}
