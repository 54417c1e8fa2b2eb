#!/usr/bin/env node
// Makes a machine ready for Wharf: Debian packages, the npm tree with its own Node, the shim. Installs what is missing
// and nothing else, so that it may run before every start; with everything in place it takes a fraction of a second.
//
//   node scripts/setup.mjs          what running Wharf needs
//   node scripts/setup.mjs --test   and what its tests need: registries and stock clients
//   node scripts/setup.mjs --vm     and what the virtual machine needs: an emulator (25 MB of packages, 120 MB installed)
//
// Plain JavaScript for the stock node 20 of a fresh machine: nothing of ours is installed yet when it runs.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A shared library where Debian's multiarch puts it. */
const libraryPath = (name) => `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/${name}`;

/** Debian package → a file that shows it is there (a bare name is looked up in the program directories) and what it is for. */
const PACKAGES = {
  libatomic1: { shows: libraryPath('libatomic.so.1'), why: 'our own Node links to it' },
  'libstdc++6': { shows: libraryPath('libstdc++.so.6'), why: 'our own Node links to it' },
  crun: { shows: 'crun', why: 'the OCI runtime' },
  nftables: { shows: 'nft', why: 'port publishing, seen from outside' },
  iproute2: { shows: 'ip', why: 'looking at the network' },
  procps: { shows: 'ps', why: 'docker top' },
  tini: { shows: '/usr/bin/tini-static', why: 'run --init' },
  'ca-certificates': { shows: '/etc/ssl/certs/ca-certificates.crt', why: 'registries over https' },
  gcc: { shows: 'gcc', why: 'builds the shim' },
  'libc6-dev': { shows: '/usr/include/stdlib.h', why: 'builds the shim' },
  'musl-tools': { shows: 'musl-gcc', why: 'makes the shim small and static' },
  make: { shows: 'make', why: 'builds the shim' },
  'busybox-static': { shows: '/usr/share/doc/busybox-static', why: 'the busybox image' },
  debootstrap: { shows: 'debootstrap', why: 'the debian image' },
};

const TEST_PACKAGES = {
  skopeo: { shows: 'skopeo', why: 'pushes to and checks the registry' },
  umoci: { shows: 'umoci', why: 'checks the images we write' },
  attr: { shows: 'setfattr', why: 'extended attributes in layers' },
  'libcap2-bin': { shows: 'setcap', why: 'file capabilities in layers' },
  openssl: { shows: 'openssl', why: 'certificates for registries and daemons over TLS' },
  python3: { shows: 'python3', why: 'archives and sockets that Node would not make' },
  zstd: { shows: 'zstd', why: 'compressed layers made by others' },
  bsdutils: { shows: 'script', why: 'terminals for the clients' },
};

const VM_PACKAGES = {
  'qemu-system-x86': { shows: 'qemu-system-x86_64', why: 'runs the virtual machine' },
  e2fsprogs: { shows: 'mkfs.ext4', why: 'makes its disk' },
};

/**
 * What the tests take out of packages without installing these: they would start a second engine, a registry or a log
 * service, or collide with the Docker that is installed.
 */
const EXTRACTED = {
  'docker.io': 'usr/bin/docker',
  'docker-registry': 'usr/bin/docker-registry',
  rsyslog: 'usr/sbin/rsyslogd',
  libestr0: libraryPath('libestr.so.0').slice(1),
  libfastjson4: libraryPath('libfastjson.so.4').slice(1),
  'python3-msgpack': 'usr/lib/python3/dist-packages/msgpack/__init__.py',
};
const EXTRACT_DIRECTORY = '/var/cache/wharf/clients';

const started = process.hrtime.bigint();
const say = (line) => process.stdout.write(`setup: ${line}\n`);

class Refusal extends Error {}

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const programDirectories = [
  ...new Set([
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/usr/bin',
    '/bin',
  ]),
].filter((directory) => directory.startsWith('/') && !directory.includes('node_modules'));

const isHere = ({ shows }) =>
  shows.startsWith('/')
    ? existsSync(shows)
    : programDirectories.some((directory) => isExecutable(join(directory, shows)));

/** Runs a program; its output is shown only when it fails. */
function run(program, args, options = {}) {
  const result = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.error) throw new Refusal(`cannot run ${program}: ${result.error.message}`);
  if (result.status !== 0) {
    const lines = `${result.stdout}\n${result.stderr}`.trim().split('\n');
    // The cause stands at the beginning with npm, at the end with apt.
    const shown = lines.length > 40 ? [...lines.slice(0, 15), '…', ...lines.slice(-15)] : lines;
    throw new Refusal(`${program} ${args.join(' ')} failed:\n    ${shown.join('\n    ')}`);
  }
  return result.stdout;
}

function checkMachine() {
  if (process.platform !== 'linux') throw new Refusal(`Wharf runs on Linux, this is ${process.platform}`);
  if (!['x64', 'arm64'].includes(process.arch))
    throw new Refusal(`Wharf runs on x86-64 and arm64, this is ${process.arch}`);
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 20) throw new Refusal(`node ${process.versions.node} is too old for setup: 20 or newer`);
  if (process.getuid() !== 0)
    throw new Refusal(
      "run it as root ('sudo npm run setup'): it installs packages, and the engine needs root too",
    );
}

/** debian and what is made of it, by man 5 os-release. */
function isDebian() {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(text) && isExecutable('/usr/bin/apt-get');
}

const APT_ENV = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };

function apt(args, options = {}) {
  return run('apt-get', ['-q', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: APT_ENV,
    ...options,
  });
}

let listsAreFresh = false;

/** Runs an apt command; when the package lists are missing or too old for it, brings them up to date and tries again. */
function aptWithLists(args, options) {
  const lists = '/var/lib/apt/lists';
  const known = existsSync(lists) && readdirSync(lists).some((name) => name.includes('_Packages'));
  if (known || listsAreFresh) {
    try {
      return apt(args, options);
    } catch (err) {
      if (listsAreFresh) throw err;
    }
  }
  say('apt-get update');
  apt(['update']);
  listsAreFresh = true;
  return apt(args, options);
}

function installPackages(table) {
  const missing = Object.keys(table).filter((name) => !isHere(table[name]));
  if (missing.length === 0) return say(`Debian packages: ${Object.keys(table).length} needed, all here`);
  if (!isDebian()) {
    throw new Refusal(
      `this is not Debian, so install these yourself: ${missing.map((name) => `${name} (${table[name].why})`).join(', ')}`,
    );
  }
  for (const name of missing) say(`Debian package ${name} is missing (${table[name].why})`);
  say(`apt-get install ${missing.join(' ')}`);
  aptWithLists(['install', '-y', '--no-install-recommends', ...missing]);
  const still = missing.filter((name) => !isHere(table[name]));
  if (still.length > 0)
    throw new Refusal(`installed, but ${still.map((name) => table[name].shows).join(', ')} cannot be found`);
}

/** Outside of CI the tests in the virtual machine are skipped where there is none. */
function installMachine() {
  if (process.arch !== 'x64') return say('virtual machine: only on x86-64, its tests are skipped');
  try {
    installPackages(VM_PACKAGES);
  } catch (err) {
    if (process.env.CI === 'true') throw err;
    say(`no virtual machine, its tests are skipped: ${err.message}`);
  }
}

function extractPrograms() {
  const missing = Object.keys(EXTRACTED).filter(
    (name) =>
      // Docker's own package also has a /usr/bin/docker, of another version.
      !existsSync(`/var/lib/dpkg/info/${name}.list`) && !existsSync(join(EXTRACT_DIRECTORY, EXTRACTED[name])),
  );
  if (missing.length === 0) return say('test programs: all here');
  if (!isDebian()) return say(`test programs: not Debian, tests that need ${missing.join(', ')} are skipped`);
  const work = mkdtempSync(join(tmpdir(), 'wharf-setup-'));
  try {
    for (const name of missing) {
      say(`taking ${EXTRACTED[name]} out of package ${name} into ${EXTRACT_DIRECTORY}`);
      aptWithLists(['-o', 'APT::Sandbox::User=root', 'download', name], { cwd: work });
      const file = readdirSync(work).find((entry) => entry.startsWith(`${name}_`));
      if (file === undefined) throw new Refusal(`apt-get download ${name} left no file`);
      mkdirSync(EXTRACT_DIRECTORY, { recursive: true });
      run('dpkg-deb', ['-x', join(work, file), EXTRACT_DIRECTORY]);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What of package-lock.json is not in node_modules as it should be, by npm's own record of what it installed. */
function outdatedModules() {
  const record = join(ROOT, 'node_modules/.package-lock.json');
  if (!existsSync(record)) return ['node_modules'];
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  const ownNode = `node_modules/node-linux-${process.arch}`;
  return Object.keys(wanted).filter((key) => {
    if (key === '') return false;
    const found = installed[key];
    // Packages for other platforms are optional and rightly absent; our own Node is not.
    if (found === undefined) return !wanted[key].optional || key === ownNode;
    return found.version !== wanted[key].version;
  });
}

function installModules() {
  const outdated = outdatedModules();
  const node = join(ROOT, 'node_modules/.bin/node');
  if (outdated.length === 0 && isExecutable(node)) return say('npm tree: matches package-lock.json');
  say(
    `npm install (${outdated.length === 1 ? outdated[0] : `${outdated.length} packages`} missing or changed)`,
  );
  // Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, and a mirror may not have them
  // all. Versions and integrity are the lock file's either way. npm must not run on the Node that it is about to replace.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund'], {
    cwd: ROOT,
    env: { ...process.env, PATH: programDirectories.join(delimiter) },
  });
  if (!isExecutable(node)) throw new Refusal(`npm install left no ${node}`);
  say(`own Node: ${run(node, ['--version']).trim()}`);
}

function buildShim() {
  const upToDate = spawnSync('make', ['-q', '-C', join(ROOT, 'shim')], { stdio: 'ignore' }).status === 0;
  if (upToDate) return say('shim: up to date');
  say('building the shim');
  run('make', ['-C', join(ROOT, 'shim')]);
}

/** The command line as one script, so that it starts fast. Its builder is asked when a source is newer than its last answer. */
function buildCommandLine() {
  const built = join(ROOT, '.build/cli/wharf.js');
  const stamp = join(ROOT, '.build/cli/.checked');
  const checked = existsSync(built) ? changedAt(stamp) : 0;
  const newest = Math.max(
    ...['cli', 'oci', 'template', 'errdefs'].map((room) => newestIn(join(ROOT, 'src', room))),
  );
  if (checked > newest) return say('command line: up to date');
  say('building the command line');
  run(join(ROOT, 'node_modules/.bin/node'), [
    '--disable-warning=ExperimentalWarning',
    join(ROOT, 'src/cli/build/main.ts'),
  ]);
  writeFileSync(stamp, '');
}

/** The daemon without types: 27 MB less resident. The launcher runs the sources when one is newer. */
function buildDaemon() {
  const newest = Math.max(changedAt(join(ROOT, 'package.json')), newestIn(join(ROOT, 'src')));
  if (changedAt(join(ROOT, '.build/wharfd/.built')) > newest) return say('daemon: up to date');
  say('building the daemon');
  run(join(ROOT, 'node_modules/.bin/node'), [
    '--disable-warning=ExperimentalWarning',
    join(ROOT, 'scripts/build-daemon.ts'),
  ]);
}

const changedAt = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newestIn(directory) {
  return Math.max(
    ...readdirSync(directory, { recursive: true }).map((name) => changedAt(join(directory, name))),
  );
}

try {
  checkMachine();
  installPackages(PACKAGES);
  if (process.argv.includes('--test')) {
    installPackages(TEST_PACKAGES);
    extractPrograms();
  }
  if (process.argv.includes('--vm')) installMachine();
  installModules();
  buildShim();
  buildCommandLine();
  buildDaemon();
  say(`ready (${(Number(process.hrtime.bigint() - started) / 1e9).toFixed(2)} s)`);
} catch (err) {
  if (!(err instanceof Refusal)) throw err;
  process.stderr.write(`setup: ${err.message}\n`);
  process.exitCode = 1;
}
