/** What an engine holds outside its own memory, counted, so that two moments can be compared. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Sandbox } from './sandbox.ts';

export interface Holdings {
  mounts: string[];
  links: string[];
  /** Rules and elements of sets and maps, by table. */
  nftables: string[];
  cgroups: string[];
  /** Programs in the engine's namespaces: the daemon and one shim per container. */
  processes: string[];
  /** Files and directories under the roots, to a depth of four. */
  files: string[];
  /** Rows per table of the metadata database: containers, address leases, whatever is recorded. */
  rows: Record<string, number>;
}

/**
 * The database's journal comes and goes; what the database holds is counted as rows. What is in trash is being removed.
 * A download that was cut off is kept for a day, to be taken up again.
 */
const KEPT = /^data\/(wharf\.db(-wal|-shm)?$|\w+\/trash\/|content\/ingest\/)/;

/** Everything the engine in `sandbox` holds now. */
export async function holdings(sandbox: Sandbox): Promise<Holdings> {
  return {
    mounts: sandbox.mountPoints().sort(),
    links: linkNames(await sandbox.ok(['ip', '-o', 'link'])),
    nftables: nftablesItems(await sandbox.ok(['nft', '-j', 'list', 'ruleset'])),
    cgroups: sandbox.cgroups().sort(),
    processes: sandbox
      .processes()
      .map((each) => each.command.replace(/\s.*$/s, ''))
      .sort(),
    files: files(sandbox.directory).filter((name) => !KEPT.test(name)),
    rows: rows(join(sandbox.directory, 'data/wharf.db')),
  };
}

const linkNames = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? '')
    .filter(Boolean)
    .sort();

interface NftItem {
  rule?: { table: string; chain: string };
  set?: { table: string; name: string; elem?: unknown[] };
  map?: { table: string; name: string; elem?: unknown[] };
}

function nftablesItems(json: string): string[] {
  const { nftables = [] } = (json === '' ? {} : JSON.parse(json)) as { nftables?: NftItem[] };
  return nftables
    .flatMap(({ rule, set, map }) => {
      if (rule !== undefined) return [`rule ${rule.table} ${rule.chain}`];
      const collection = set ?? map;
      return (collection?.elem ?? []).map(
        (each) => `element ${collection?.table} ${collection?.name} ${JSON.stringify(each)}`,
      );
    })
    .sort();
}

function files(directory: string): string[] {
  const found: string[] = [];
  const walk = (relative: string): void => {
    for (const entry of readdirSync(join(directory, relative), { withFileTypes: true })) {
      const name = join(relative, entry.name);
      found.push(name);
      // Below a layer or a volume is the user's; one entry stands for all of it.
      if (entry.isDirectory() && name.split('/').length < 4) walk(name);
    }
  };
  for (const root of ['data', 'exec']) if (existsSync(join(directory, root))) walk(root);
  return found.sort();
}

function rows(path: string): Record<string, number> {
  if (!existsSync(path) || statSync(path).size === 0) return {};
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    return Object.fromEntries(
      tables.map(({ name }) => {
        const row = database.prepare(`SELECT count(*) AS n FROM "${String(name)}"`).get();
        return [String(name), Number(row?.n)];
      }),
    );
  } finally {
    database.close();
  }
}
