/** Environment variables and labels, from flags and from files. */
import { readFileSync } from 'node:fs';
import { cut } from './csv.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** `KEY=value` as it is; `KEY` with the value it has in our own environment, or alone when it is not set there. */
function resolveEnv(spec: string): string {
  if (spec.includes('=')) return spec;
  const own = process.env[spec];
  return own === undefined ? spec : `${spec}=${own}`;
}

/** Checks `-e` values at the flag, as docker does. */
export function checkEnv(spec: string): string {
  if (cut(spec, '=')[0] === '') throw new Error(`invalid environment variable: ${spec}`);
  return spec;
}

/** The lines of a file of `KEY=value`: blank lines and comments are skipped, leading blanks dropped. */
export function parseEnvFile(path: string, content: Buffer): string[] {
  const lines: string[] = [];
  let text: string;
  try {
    text = UTF8.decode(content);
  } catch {
    throw new Error(`invalid env file (${path}): invalid utf8 bytes`);
  }
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const [name, value] = cut(line, '=');
    if (name === '') throw new Error(`invalid env file (${path}): no variable name on line '${line}'`);
    if (/\s/.test(name.trimStart()))
      throw new Error(`invalid env file (${path}): variable '${name}' contains whitespaces`);
    lines.push(value === undefined ? name : `${name}=${value}`);
  }
  return lines;
}

function readLines(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    let content: Buffer;
    try {
      content = readFileSync(path);
    } catch (err) {
      const { code, message } = err as NodeJS.ErrnoException;
      throw new Error(`open ${path}: ${code === 'ENOENT' ? 'no such file or directory' : message}`);
    }
    return parseEnvFile(path, content);
  });
}

/**
 * Environment of `--env-file` and `-e`, files first so that flags win. A bare name that is not set here is dropped
 * from a file; from a flag it goes to the daemon, which takes the variable out of the image's environment.
 */
export const parseEnv = (files: readonly string[], flags: readonly string[]): string[] => [
  ...readLines(files)
    .map(resolveEnv)
    .filter((line) => line.includes('=')),
  ...flags.map(resolveEnv),
];

/** Labels of `--label-file` and `-l`. */
export function parseLabels(files: readonly string[], flags: readonly string[]): Record<string, string> {
  return keyValues([...readLines(files), ...flags]);
}

/** `k=v` strings as a map; a missing value is empty. */
export const keyValues = (specs: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    specs.map((spec) => {
      const [key, value = ''] = cut(spec, '=');
      return [key, value];
    }),
  );

/** Checks `-l` values at the flag. */
export function checkLabel(spec: string): string {
  if (spec.trim() === '' || cut(spec, '=')[0] === '') throw new Error(`invalid label '${spec}': empty name`);
  return spec;
}
