import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEFAULT_PATH, type Recipe, type RecipeContext, type Rootfs, sourceDateEpoch } from '../recipe.ts';
import { run } from '../run.ts';

/** What differs from one build to the next although the packages are the same, or belongs to the building machine. */
const RESIDUE = [
  'etc/hostname',
  'etc/resolv.conf',
  'etc/.pwd.lock',
  'etc/passwd-',
  'etc/group-',
  'etc/shadow-',
  'etc/gshadow-',
  'etc/subuid-',
  'etc/subgid-',
  'var/cache/ldconfig/aux-cache',
  'var/lib/dpkg/available-old',
  'var/lib/dpkg/diversions-old',
  'var/lib/dpkg/statoverride-old',
  'var/lib/dpkg/status-old',
  'var/lib/systemd/catalog/database',
  'debootstrap',
];

/** Directories that are emptied and kept. */
const EMPTIED = ['var/cache/apt', 'var/cache/debconf', 'var/lib/apt/lists', 'var/log', 'run', 'tmp', 'dev'];

/** Settings every Debian container wants: no services started, no caches and indexes left in layers. */
const FILES: Record<string, { text: string; mode?: number }> = {
  'usr/sbin/policy-rc.d': {
    mode: 0o755,
    text: '#!/bin/sh\n# No service is started by the installation of a package: a container has no init to look after it.\nexit 101\n',
  },
  'etc/apt/apt.conf.d/container-clean': {
    text: `// Downloaded packages are removed when they are installed, so that no layer carries them.
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
APT::AutoRemove::SuggestsImportant "false";
`,
  },
  'etc/dpkg/dpkg.cfg.d/container-speedup': {
    text: '# A layer is committed or thrown away as a whole: syncing every file only costs time.\nforce-unsafe-io\n',
  },
  'etc/machine-id': { text: '', mode: 0o444 },
};

const DEFAULT_MIRROR = 'http://deb.debian.org/debian';

/** The mirror this machine's apt uses for Debian's main archive, so that no other host is contacted. */
function mirror(): string {
  const directory = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list'];
  if (existsSync(directory)) files.push(...readdirSync(directory).map((name) => join(directory, name)));
  for (const file of files) {
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8').replace(/^\s*#.*$/gm, '');
    const found =
      /^URIs:\s*(\S+\/debian)\/?\s*$/m.exec(text) ??
      /^deb\s+(?:\[[^\]]*\]\s+)?(\S+\/debian)\/?\s/m.exec(text);
    if (found?.[1] !== undefined) return found[1];
  }
  return DEFAULT_MIRROR;
}

/** A recipe for one release of Debian: the packages `debootstrap --variant=minbase` chooses, without its residue. */
export const debian = (suite: string): Recipe => ({
  name: `debian:${suite}`,
  inputs: () => suite,
  build: (context) => build(suite, context),
});

async function build(suite: string, { rootfs, downloads, say }: RecipeContext): Promise<Rootfs> {
  const from = mirror();
  say(`debootstrap of ${suite} from ${from} (a minute or two)`);
  const cache = join(downloads, `debian-${suite}`);
  mkdirSync(cache, { recursive: true });
  await run('debootstrap', [
    '--variant=minbase',
    '--merged-usr',
    `--cache-dir=${cache}`,
    suite,
    rootfs,
    from,
  ]);

  const released = releaseDate(rootfs);
  const version = readFileSync(join(rootfs, 'etc/debian_version'), 'utf8').trim();
  clean(rootfs);
  for (const [name, { text, mode = 0o644 }] of Object.entries({ ...FILES, ...aptSources(suite) })) {
    mkdirSync(dirname(join(rootfs, name)), { recursive: true });
    rmSync(join(rootfs, name), { force: true });
    writeFileSync(join(rootfs, name), text);
    chmodSync(join(rootfs, name), mode);
  }
  fixPasswordDates(rootfs, released);
  say(`Debian ${version}, as released ${new Date(released * 1000).toISOString().slice(0, 10)}`);
  return {
    tags: [`debian:${suite}`, `debian:${version.split('.')[0]}`, `debian:${version}`],
    config: { Cmd: ['bash'], Env: [DEFAULT_PATH] },
    epoch: sourceDateEpoch(released),
    createdBy: `debootstrap --variant=minbase ${suite} # Debian ${version}`,
  };
}

/** The `Date:` of the Release file that chose the packages: the time of the point release, in seconds. */
function releaseDate(rootfs: string): number {
  const lists = join(rootfs, 'var/lib/apt/lists');
  const name = readdirSync(lists).find((file) => /_(In)?Release$/.test(file));
  const date = name && /^Date: (.*)$/m.exec(readFileSync(join(lists, name), 'utf8'))?.[1];
  const seconds = Date.parse(date ?? '') / 1000;
  if (!Number.isFinite(seconds)) throw new Error(`no Date in a Release file in ${lists}`);
  return seconds;
}

function clean(rootfs: string): void {
  for (const name of RESIDUE) rmSync(join(rootfs, name), { recursive: true, force: true });
  for (const name of EMPTIED) {
    const directory = join(rootfs, name);
    for (const entry of readdirSync(directory))
      rmSync(join(directory, entry), { recursive: true, force: true });
  }
  // apt wants these two back, dpkg's log directories come by themselves.
  for (const name of ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial', 'var/log/apt']) {
    mkdirSync(join(rootfs, name), { recursive: true });
  }
}

/** Package scripts that make accounts write the day of the build into /etc/shadow (man 5 shadow, third field). */
function fixPasswordDates(rootfs: string, epoch: number): void {
  const shadow = join(rootfs, 'etc/shadow');
  const day = Math.floor(epoch / 86_400);
  const text = readFileSync(shadow, 'utf8').replace(/^([^:]*:[^:]*):\d+:/gm, `$1:${day}:`);
  writeFileSync(shadow, text);
}

function aptSources(suite: string): typeof FILES {
  const stanza = (uri: string, suites: string) =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  return {
    'etc/apt/sources.list': { text: '# See /etc/apt/sources.list.d/debian.sources\n' },
    'etc/apt/sources.list.d/debian.sources': {
      text: `${stanza(DEFAULT_MIRROR, `${suite} ${suite}-updates`)}\n${stanza('http://deb.debian.org/debian-security', `${suite}-security`)}`,
    },
  };
}
