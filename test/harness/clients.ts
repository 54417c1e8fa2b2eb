/** The clients that tests drive the engine with, none of them made by us but the last. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const REPOSITORY = join(import.meta.dirname, '../..');
/** Where `setup --test` puts programs that it takes out of packages. */
const EXTRACTED = '/var/cache/wharf/clients/usr/bin';

const directories = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/local/bin',
  '/usr/bin',
  EXTRACTED,
].filter((directory) => directory.startsWith('/') && !directory.includes('node_modules'));

const candidates = (program: string): string[] =>
  [...new Set(directories)].map((directory) => join(directory, program)).filter((path) => existsSync(path));

const dockerVersion = (path: string): number => {
  const text = execFileSync(path, ['--version'], { encoding: 'utf8' });
  return Number(/version (\d+)/.exec(text)?.[1] ?? 0);
};

const FINDERS = {
  'docker-28': () => candidates('docker').find((path) => dockerVersion(path) >= 25),
  'docker-20': () => candidates('docker').find((path) => dockerVersion(path) === 20),
  wharf: () => candidatesIn(join(REPOSITORY, 'bin/wharf')),
  skopeo: () => candidates('skopeo')[0],
  umoci: () => candidates('umoci')[0],
  'docker-registry': () => candidates('docker-registry')[0],
} as const;

const candidatesIn = (path: string): string | undefined => (existsSync(path) ? path : undefined);

export type ClientName = keyof typeof FINDERS;

const found = new Map<ClientName, string | undefined>();

function find(name: ClientName): string | undefined {
  if (!found.has(name)) found.set(name, FINDERS[name]());
  return found.get(name);
}

/** The path of a client; throws when it is not on this machine. */
export function clientPath(name: ClientName): string {
  const path = find(name);
  if (path === undefined) throw new Error(`${name} is not on this machine`);
  return path;
}

/**
 * For a test's `skip`: the reason when one of `names` is not on this machine, false when all are there. In CI an
 * absent client is a failure.
 */
export function absent(...names: ClientName[]): string | false {
  const missing = names.filter((name) => find(name) === undefined);
  if (missing.length === 0) return false;
  const reason = `not on this machine: ${missing.join(', ')}`;
  if (process.env.CI === 'true') throw new Error(reason);
  return reason;
}
