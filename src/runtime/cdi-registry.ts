/**
 * The CDI devices of this machine: read from the files of the spec directories when somebody asks, so that an idle
 * daemon watches nothing. A file that has not changed is not read again.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { isErrno } from '../linux/index.ts';
import { type CdiDevice, type CdiEdits, type CdiSpec, checkCdiSpec } from './cdi-spec.ts';

/** Bound on a file, in bytes: those of big machines have some hundred kilobytes. */
const MAX_SIZE = 16 << 20;

interface KnownFile {
  /** Tells a changed file. */
  version: string;
  spec?: CdiSpec;
  error?: string;
}

interface FoundDevice {
  path: string;
  /** Of its directory: a later one's devices take the place of an earlier one's. */
  priority: number;
  spec: CdiSpec;
  device: CdiDevice;
}

interface Scan {
  devices: Map<string, FoundDevice>;
  /** By file or directory, what is wrong with it. */
  errors: Map<string, string[]>;
}

export class CdiRegistry {
  /** Absolute directories, least important first; none: CDI is off. */
  readonly dirs: readonly string[];
  #files = new Map<string, KnownFile>();

  constructor(dirs: readonly string[]) {
    this.dirs = dirs;
  }

  /** Qualified names of all devices, sorted, and what is wrong with files, as sentences for `info`. */
  list(): { devices: string[]; warnings: string[] } {
    const { devices, errors } = this.#scan();
    const warnings = [...errors].flatMap(([path, faults]) =>
      faults.map((fault) => `CDI: Error associated with spec file ${path}: ${fault}`),
    );
    return { devices: [...devices.keys()].sort(), warnings };
  }

  /** True when some device is of `kind` (`vendor.com/class`). */
  hasKind(kind: string): boolean {
    return [...this.#scan().devices.keys()].some((name) => name.startsWith(`${kind}=`));
  }

  /** The edits that devices mean, those of each file's first; undefined when one of them is not known. */
  resolve(names: readonly string[]): CdiEdits[] | undefined {
    const { devices } = this.#scan();
    const seen = new Set<CdiSpec>();
    const edits: CdiEdits[] = [];
    for (const name of names) {
      const found = devices.get(name);
      if (found === undefined) return undefined;
      if (!seen.has(found.spec) && found.spec.containerEdits) edits.push(found.spec.containerEdits);
      seen.add(found.spec);
      edits.push(found.device.containerEdits);
    }
    return edits;
  }

  #scan(): Scan {
    const scan: Scan = { devices: new Map(), errors: new Map() };
    const files = new Map<string, KnownFile>();
    const conflicts = new Set<string>();
    for (const [priority, dir] of this.dirs.entries()) {
      for (const path of specFiles(dir, scan)) {
        const file = this.#read(path);
        if (file === undefined) continue;
        files.set(path, file);
        if (file.error !== undefined) addError(scan, path, `failed to load CDI Spec: ${file.error}`);
        for (const device of file.spec?.devices ?? []) {
          addDevice(scan, conflicts, { path, priority, spec: file.spec!, device });
        }
      }
    }
    // Two files of one directory that name the same device: neither is to be trusted.
    for (const name of conflicts) scan.devices.delete(name);
    this.#files = files;
    return scan;
  }

  /** Undefined when it is gone meanwhile. */
  #read(path: string): KnownFile | undefined {
    let version: string;
    try {
      const stat = statSync(path);
      if (!stat.isFile()) return undefined;
      version = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`;
      const known = this.#files.get(path);
      if (known?.version === version) return known;
      if (stat.size > MAX_SIZE) return { version, error: `it has ${stat.size} bytes` };
      const parsed = parseFile(readFileSync(path, 'utf8'), path);
      return { version, spec: checkCdiSpec(parsed) };
    } catch (err) {
      if (isErrno(err, 'ENOENT')) return undefined;
      return { version: version! ?? '', error: `invalid CDI Spec: ${(err as Error).message}` };
    }
  }
}

function specFiles(dir: string, scan: Scan): string[] {
  try {
    return readdirSync(dir)
      .filter((name) => ['.json', '.yaml'].includes(extname(name)))
      .sort()
      .map((name) => join(dir, name));
  } catch (err) {
    if (!isErrno(err, 'ENOENT'))
      addError(scan, dir, `failed to monitor for changes: ${(err as Error).message}`);
    return [];
  }
}

function addError(scan: Scan, path: string, error: string): void {
  scan.errors.set(path, [...(scan.errors.get(path) ?? []), error]);
}

function addDevice(scan: Scan, conflicts: Set<string>, found: FoundDevice): void {
  const name = `${found.spec.kind}=${found.device.name}`;
  const other = scan.devices.get(name);
  if (other !== undefined && other.priority === found.priority) {
    const error = `conflicting device ${JSON.stringify(name)} (specs ${JSON.stringify(found.path)}, ${JSON.stringify(other.path)})`;
    addError(scan, found.path, error);
    addError(scan, other.path, error);
    conflicts.add(name);
    return;
  }
  conflicts.delete(name);
  scan.devices.set(name, found);
}

interface Yaml {
  parse(text: string, options: { maxAliasCount: number }): unknown;
}
let yaml: Yaml | undefined;

/** YAML is loaded with the first file that wants it: it costs the daemon a megabyte or two. */
function parseFile(text: string, path: string): unknown {
  if (extname(path) === '.json') return JSON.parse(text);
  yaml ??= createRequire(import.meta.url)('yaml') as Yaml;
  return yaml.parse(text, { maxAliasCount: 100 });
}
