/**
 * The layer between an image and its containers: mount points and files that every container needs, as Docker's init
 * layer has them. Ours depends only on the image, so it is made once for each chain and shared by its containers.
 */
import fs from 'node:fs';
import path from 'node:path';
import { closeFd, mountOverlay, O, RootedDir } from '../linux/index.ts';
import type { DirLook } from './implied-dirs.ts';
import type { InitFile } from './types.ts';

/** What Docker's init layer holds (moby, daemon/initlayer): mount points, and files that are mounted over. */
export const dockerInitFiles: readonly InitFile[] = [
  { path: '/dev/pts', type: 'directory' },
  { path: '/dev/shm', type: 'directory' },
  { path: '/proc', type: 'directory' },
  { path: '/sys', type: 'directory' },
  { path: '/.dockerenv', type: 'file' },
  { path: '/etc/resolv.conf', type: 'file' },
  { path: '/etc/hosts', type: 'file' },
  { path: '/etc/hostname', type: 'file' },
  { path: '/dev/console', type: 'file' },
  { path: '/etc/mtab', type: 'symlink', target: '/proc/mounts' },
];

/** What an init layer puts on its chain. */
export interface InitContent {
  files: readonly InitFile[];
  /** Directories to be put right. */
  looks: readonly DirLook[];
  /** The directory whose mode and owner the root gets. */
  rootLike: string;
}

/**
 * Makes an init layer in the new directory `temp`: mounts the chain's `lower` directories writable and adds the
 * `content`; then `temp/fs` is the layer. `unmount` takes the mount away again.
 */
export function makeInitLayer(
  temp: string,
  lower: readonly string[],
  content: InitContent,
  unmount: (target: string) => void,
): void {
  const [upper, work, target] = ['fs', 'work', 'mnt'].map((name) => path.join(temp, name)) as [
    string,
    string,
    string,
  ];
  for (const dir of [upper, work, target]) fs.mkdirSync(dir, { recursive: true });
  copyRootAttributes(content.rootLike, upper);
  mountOverlay({ lower, upper, work, target, options: overlayOptions });
  try {
    const root = RootedDir.open(target);
    try {
      for (const file of content.files) addFile(root, file);
      for (const look of content.looks) setLook(root, look);
    } finally {
      root.close();
    }
  } finally {
    unmount(target);
  }
}

/** As Docker mounts its containers: no index, no redirects, no metacopy, so that layers stay readable by others. */
export const overlayOptions = { index: 'off', metacopy: 'off', redirect_dir: 'off' } as const;

/** Mode and owner of an overlay's root are those of its upper directory. */
export function copyRootAttributes(from: string, to: string): void {
  const { mode, uid, gid } = fs.statSync(from);
  if ((mode & 0o7777) !== (fs.statSync(to).mode & 0o7777)) fs.chmodSync(to, mode & 0o7777);
  if (uid !== 0 || gid !== 0) fs.chownSync(to, uid, gid);
}

function addFile(root: RootedDir, file: InitFile): void {
  const parent = path.posix.dirname(file.path);
  const there = root.lstatIfExists(file.path);
  if (there === undefined) root.mkdirAll(parent, 0o755);
  switch (file.type) {
    case 'directory':
      if (there === undefined) root.mkdir(file.path, 0o755);
      return;
    case 'symlink':
      if (there === undefined) root.symlink(file.target ?? '', file.path);
      return;
    case 'file':
      if (there?.isFile() || there?.isDirectory()) return;
      // A symlink would lead the mount over it astray (systemd's resolv.conf); Docker replaces it, too.
      if (there !== undefined) root.unlink(file.path);
      closeFd(root.open(file.path, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o755));
  }
}

function setLook(root: RootedDir, { path: dir, stat }: DirLook): void {
  const name = Buffer.from(dir, 'latin1');
  root.chown(name, Number(stat.uid), Number(stat.gid));
  root.chmod(name, Number(stat.mode) & 0o7777);
  root.utimens(name, stat.atimeNs, stat.mtimeNs);
}
