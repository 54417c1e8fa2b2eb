/**
 * Makes a Debian package of what setup built: `node scripts/package.ts [-o file] [--fast]`. It holds Wharf with its own
 * Node under /usr/lib/wharf, the commands, the systemd units, settings and bash completion. `--fast` does not
 * compress it: for a package that is installed at once. Prints the package's path.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const ROOT = resolve(import.meta.dirname, '..');
const HOME = 'usr/lib/wharf';
const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64';

const read = <T>(name: string): T => JSON.parse(readFileSync(join(ROOT, name), 'utf8')) as T;
const { version, description } = read<{ version: string; description: string }>('package.json');

/** Of the npm tree, what runs: not what tests and builds, and of our own Node only the program. */
function runtimeModules(): string[] {
  type Lock = { packages: Record<string, { dev?: boolean; optional?: boolean; devOptional?: boolean }> };
  const ownNode = `node_modules/node-linux-${process.arch}`;
  return Object.entries(read<Lock>('package-lock.json').packages)
    .filter(
      ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional && existsSync(join(ROOT, path)),
    )
    .map(([path]) => path)
    .flatMap((path) =>
      path === ownNode ? ['bin/node', 'LICENSE', 'package.json'].map((name) => `${path}/${name}`) : [path],
    );
}

/** Parts of modules that nothing loads. */
const LEFT_OUT = /\/(docs?|types|vendor|browser|musl_x64|musl_arm64)$|\.(md|map|d\.[cm]?ts|cc|hh|inc)$/;

function install(from: string, to: string, mode?: number): void {
  mkdirSync(dirname(to), { recursive: true });
  const source = realpathSync(from);
  cpSync(source, to, { recursive: true, filter: (path) => !LEFT_OUT.test(path.slice(source.length)) });
  if (mode !== undefined) chmodSync(to, mode);
}

function fill(tree: string): void {
  const place = (from: string, to: string, mode?: number) => install(join(ROOT, from), join(tree, to), mode);
  for (const name of ['bin', 'package.json', '.build/wharfd', '.build/cli', '.build/wharf-shim'])
    place(name, `${HOME}/${name}`);
  for (const path of runtimeModules()) place(path, `${HOME}/${path}`);
  link(tree, `../node-linux-${process.arch}/bin/node`, `${HOME}/node_modules/.bin/node`);
  link(tree, '../lib/wharf/bin/wharf', 'usr/bin/wharf');
  link(tree, '../lib/wharf/bin/wharfd', 'usr/bin/wharfd');
  for (const unit of ['wharf.service', 'wharf.socket', 'wharf-shims.service'])
    place(`packaging/systemd/${unit}`, `lib/systemd/system/${unit}`, 0o644);
  place('packaging/daemon.json', 'etc/wharf/daemon.json', 0o644);
  place('LICENSE', 'usr/share/doc/wharf/copyright', 0o644);
  const completion = execFileSync(join(ROOT, 'bin/wharf'), ['completion', 'bash']);
  mkdirSync(join(tree, 'usr/share/bash-completion/completions'), { recursive: true });
  writeFileSync(join(tree, 'usr/share/bash-completion/completions/wharf'), completion);
}

function link(tree: string, target: string, path: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  symlinkSync(target, join(tree, path));
}

function control(tree: string): void {
  const directory = join(tree, 'DEBIAN');
  mkdirSync(directory);
  const size = execFileSync('du', ['-sk', '--exclude=DEBIAN', tree], { encoding: 'utf8' }).split('\t')[0];
  writeFileSync(
    join(directory, 'control'),
    `Package: wharf
Version: ${version}
Architecture: ${ARCHITECTURE}
Maintainer: The Wharf authors
Section: admin
Priority: optional
Installed-Size: ${size}
Depends: crun, ca-certificates, passwd, libatomic1, libstdc++6, libc6 (>= 2.34)
Recommends: dbus, tini, procps
Description: ${description}
 The daemon wharfd serves the Docker Engine API on /run/wharf/wharf.sock; the
 command wharf has docker's commands. Both run on a Node of their own.
`,
  );
  writeFileSync(join(directory, 'conffiles'), '/etc/wharf/daemon.json\n');
  for (const name of ['postinst', 'prerm', 'postrm'])
    install(join(ROOT, 'packaging/debian', name), join(directory, name), 0o755);
}

/** Builds the package at `output`. What setup builds must be there. */
export function buildPackage(output: string, { fast = false } = {}): void {
  const build = join(ROOT, '.build');
  for (const name of ['wharfd/.built', 'cli/wharf.js', 'wharf-shim']) {
    if (!existsSync(join(build, name)))
      throw new Error(`there is no .build/${name}: run 'npm run setup' first`);
  }
  process.umask(0o022);
  const tree = mkdtempSync(join(build, 'package-'));
  try {
    chmodSync(tree, 0o755);
    fill(tree);
    control(tree);
    const compression = fast ? ['-Znone'] : ['-Zxz', '-z6', '--threads-max=0'];
    mkdirSync(dirname(output), { recursive: true });
    execFileSync('dpkg-deb', ['--root-owner-group', ...compression, '-b', tree, output], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { output: { type: 'string', short: 'o' }, fast: { type: 'boolean' } },
  });
  const output = resolve(values.output ?? join(ROOT, `.build/wharf_${version}_${ARCHITECTURE}.deb`));
  buildPackage(output, { fast: values.fast ?? false });
  process.stdout.write(`${output}\n`);
}
