/**
 * The disk, kernel and initial RAM disk of a virtual machine as users have it: Debian with systemd as process 1 and
 * unified control groups. All of it is Debian's own packages: the root file system is the library's `debian:bookworm`
 * with more packages installed, the kernel is unpacked from its package. Kept in a cache, named by what decides it.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { buildImage } from '../../library/build.ts';
import { run } from '../../library/run.ts';

export const CACHE_DIRECTORY = '/var/cache/wharf/vm';

/** What a machine is started from. */
export interface MachineImage {
  /** A raw ext4 file system. Machines write to a snapshot of it. */
  disk: string;
  kernel: string;
  initrd: string;
}

/** The base system, and all that Wharf's own package depends on: it is installed without a network. */
const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'dbus', 'udev', 'kmod', 'apparmor', 'bash-completion'],
  ...['crun', 'libatomic1', 'libstdc++6', 'ca-certificates', 'tini', 'procps'],
  ...['iproute2', 'nftables', 'attr', 'python3-minimal', 'uidmap'],
];

/** In the order in which they load: enough to mount the disk. udev loads the rest. */
const BOOT_MODULES = [
  ...['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk'],
  ...['crc16', 'mbcache', 'jbd2', 'crc32c_generic', 'ext4'],
];

/** Of the kernel's 400 MB of modules, the parts that a virtual machine with containers may ask for. */
const MODULE_DIRECTORIES = [
  ...['arch', 'block', 'crypto', 'lib', 'mm', 'net', 'security', 'drivers/virtio', 'drivers/block'],
  ...['drivers/net/veth.ko', 'drivers/net/dummy.ko', 'drivers/net/macvlan.ko', 'drivers/net/tun.ko'],
  ...['drivers/net/ipvlan', 'drivers/net/vxlan', 'drivers/char/virtio_console.ko', 'fs/overlayfs', 'fs/fuse'],
  ...[
    'fs/ext4',
    'fs/jbd2',
    'fs/mbcache.ko',
    'fs/autofs',
    'fs/binfmt_misc.ko',
    'fs/configfs',
    'fs/nls',
    'drivers/md',
  ],
];

const INIT = `#!/bin/busybox sh
# Mounts the disk and hands over to its init.
/bin/busybox mount -t devtmpfs dev /dev
for module in ${BOOT_MODULES.join(' ')}; do /bin/busybox insmod /modules/$module.ko; done
/bin/busybox mount -t ext4 -o rw /dev/vda /root || /bin/busybox poweroff -f
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
`;

/** Files of the machine; `agent.sh` is what the host talks to. */
const FILES: Readonly<Record<string, { text: string; mode?: number }>> = {
  'etc/hostname': { text: 'debian\n' },
  'etc/hosts': { text: '127.0.0.1 localhost\n127.0.1.1 debian\n' },
  'etc/fstab': { text: '/dev/vda / ext4 rw,relatime 0 1\n' },
  'etc/machine-id': { text: 'd0c4e2b7a1f94c3e8b5a6f7d8e9c0a1b\n', mode: 0o444 },
  'usr/local/sbin/vm-agent': {
    mode: 0o755,
    text: readFileSync(join(import.meta.dirname, 'agent.sh'), 'utf8'),
  },
  'etc/systemd/system/vm-agent.service': {
    text: `[Unit]
Description=Runs what the host asks for
BindsTo=dev-virtio\\x2dports-agent.device
After=dev-virtio\\x2dports-agent.device basic.target
DefaultDependencies=no
Conflicts=shutdown.target

[Service]
ExecStart=/usr/local/sbin/vm-agent
Environment=HOME=/root LC_ALL=C.UTF-8 DOCKER_HOST=unix:///run/wharf/wharf.sock
Environment=PATH=/opt/payload/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
OOMScoreAdjust=-900
TasksMax=infinity

[Install]
WantedBy=multi-user.target
`,
  },
  'etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf': {
    text: '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200 %I $TERM\n',
  },
};

type Say = (line: string) => void;

/** Gives the image, from the cache or made now (a minute or two, 200 MB of packages). */
export async function machineImage(say: Say): Promise<MachineImage> {
  const debian = await buildImage('debian:bookworm', { say });
  const directory = join(CACHE_DIRECTORY, cacheKey(basename(debian.path)));
  const image = {
    disk: join(directory, 'disk.ext4'),
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd'),
  };
  if (existsSync(directory)) return image;
  mkdirSync(CACHE_DIRECTORY, { recursive: true });
  const work = mkdtempSync(join(CACHE_DIRECTORY, '.build-'));
  const umask = process.umask(0o022);
  try {
    await make(debian.path, work, say);
    for (const old of readdirSync(CACHE_DIRECTORY)) {
      if (!old.startsWith('.')) rmSync(join(CACHE_DIRECTORY, old), { recursive: true });
    }
    renameSync(join(work, 'image'), directory);
  } finally {
    process.umask(umask);
    rmSync(work, { recursive: true, force: true });
  }
  return image;
}

function cacheKey(debian: string): string {
  const hash = createHash('sha256').update(`${process.arch} ${debian}`);
  for (const file of ['image.ts', 'agent.sh']) hash.update(readFileSync(join(import.meta.dirname, file)));
  return hash.digest('hex').slice(0, 16);
}

async function make(debian: string, work: string, say: Say): Promise<void> {
  const root = join(work, 'root');
  const image = join(work, 'image');
  mkdirSync(root);
  mkdirSync(image);
  say('unpacking debian:bookworm');
  await run('tar', ['-xf', debian, '-C', work]);
  await run('tar', ['-xf', layerOf(work), '-C', root]);
  say(`installing ${PACKAGES.length} packages, and the kernel, from Debian's mirror`);
  await inChroot(
    root,
    `export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
     apt-get -q update
     apt-get -q install -y --no-install-recommends ${PACKAGES.join(' ')}
     cd /tmp
     apt-get -q -o APT::Sandbox::User=root download "$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \\(linux-image-[0-9]\\)/\\1/p' | head -1)"
     rm -f /usr/sbin/policy-rc.d /etc/resolv.conf`,
  );
  const kernel = join(work, 'kernel');
  await run('dpkg-deb', ['-x', globSync(join(root, 'tmp/linux-image-*.deb'))[0] ?? '', kernel]);
  rmSync(globSync(join(root, 'tmp/linux-image-*.deb'))[0] ?? '');
  copyFileSync(globSync(join(kernel, 'boot/vmlinuz-*'))[0] ?? '', join(image, 'vmlinuz'));
  await installModules(kernel, root);
  writeFiles(root);
  await run('chroot', [root, 'systemctl', 'enable', 'vm-agent.service']);
  await packInitrd(root, work, join(image, 'initrd'));
  say('making the disk');
  const disk = join(image, 'disk.ext4');
  await run('truncate', ['-s', '3G', disk]);
  await run('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1', '-d', root, disk]);
}

/** The one layer of an image layout. */
function layerOf(layout: string): string {
  const blob = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'));
  const read = <T>(path: string) => JSON.parse(readFileSync(path, 'utf8')) as T;
  const { manifests } = read<{ manifests: { digest: string }[] }>(join(layout, 'index.json'));
  const { layers } = read<{ layers: { digest: string }[] }>(blob(manifests[0]?.digest ?? ''));
  return blob(layers[0]?.digest ?? '');
}

/** Runs a script in `root`, with what packages' scripts need mounted in a namespace that goes with it. */
async function inChroot(root: string, script: string): Promise<void> {
  copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'));
  const mounts = `set -e
    mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; mount -t tmpfs tmpfs "$0/run"
    exec chroot "$0" sh -ec "$1"`;
  await run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', mounts, root, script]);
}

async function installModules(kernel: string, root: string): Promise<void> {
  const [version = ''] = readdirSync(join(kernel, 'lib/modules'));
  const from = join(kernel, 'lib/modules', version);
  const to = join(root, 'usr/lib/modules', version);
  mkdirSync(to, { recursive: true });
  const wanted = MODULE_DIRECTORIES.map((name) => `kernel/${name}`).filter((path) =>
    existsSync(join(from, path)),
  );
  await run('sh', [
    '-c',
    'cd "$0" && to=$1 && shift && cp -a --parents "$@" "$to"',
    from,
    to,
    ...wanted,
    ...globSync('modules.*', { cwd: from }),
  ]);
  await run('chroot', [root, 'depmod', version]);
}

function writeFiles(root: string): void {
  for (const [name, { text, mode = 0o644 }] of Object.entries(FILES)) {
    const path = join(root, name);
    mkdirSync(join(path, '..'), { recursive: true });
    rmSync(path, { force: true });
    writeFileSync(path, text);
    chmodSync(path, mode);
  }
}

async function packInitrd(root: string, work: string, output: string): Promise<void> {
  const tree = join(work, 'initrd');
  for (const name of ['bin', 'dev', 'root', 'modules']) mkdirSync(join(tree, name), { recursive: true });
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
  for (const name of BOOT_MODULES) {
    const [path] = globSync(join(root, `usr/lib/modules/*/kernel/**/${name}.ko`));
    if (path === undefined) throw new Error(`the kernel has no module ${name}`);
    copyFileSync(path, join(tree, 'modules', `${name}.ko`));
  }
  writeFileSync(join(tree, 'init'), INIT);
  chmodSync(join(tree, 'init'), 0o755);
  await run('sh', ['-c', 'cd "$0" && find . | busybox cpio -H newc -o > "$1"', tree, output]);
}
