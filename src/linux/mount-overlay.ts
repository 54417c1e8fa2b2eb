/** Overlay mounts (kernel: Documentation/filesystems/overlayfs.rst), by the mount API or mount(2). */
import { invalidParameter } from '../errdefs/index.ts';
import { AT_FDCWD, closeFd, O, openAt } from './fd.ts';
import { type MountOptions, mountByContext } from './fs-context.ts';
import { check, isErrno, libcFunction } from './libc.ts';

const MS_RDONLY = 1;

const mountCall = libcFunction<[string, string, string, number, string]>(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);

/** What {@link mountOverlay} mounts. All paths are absolute and trusted. */
export interface OverlayMount {
  /** The read-only layers, the top one first; at most 500 (the kernel's OVL_MAX_STACK). */
  lower: readonly string[];
  /** The writable layer; without it the mount is read-only. */
  upper?: string;
  /** An empty directory on `upper`'s file system. */
  work?: string;
  target: string;
  readOnly?: boolean;
  options?: MountOptions;
}

const OVL_MAX_STACK = 500;
/** fsconfig takes strings of at most 255 bytes, mount(2) options of one page in all. */
const FSCONFIG_STRING_MAX = 255;
const MOUNT_DATA_MAX = 4095;

let overlayByFsconfig = true;

/**
 * Mounts an overlay (kernel: Documentation/filesystems/overlayfs.rst). Layers are handed over one by one
 * (`lowerdir+`, Linux 6.8), so neither their number nor their paths meet the one-page limit of mount(2).
 * @throws SyscallError with the kernel's own words, where it gave any
 */
export function mountOverlay(overlay: OverlayMount): void {
  if (overlay.lower.length === 0) throw invalidParameter('overlay: no lower layer');
  if (overlay.lower.length > OVL_MAX_STACK) {
    throw invalidParameter(`overlay: ${overlay.lower.length} layers, the kernel takes ${OVL_MAX_STACK}`);
  }
  if (!overlayByFsconfig) {
    mountOverlayByMount(overlay);
    return;
  }
  try {
    mountOverlayByFsconfig(overlay);
  } catch (err) {
    // A kernel before 6.8 does not know `lowerdir+` (EINVAL), one before 5.2 no fsopen (ENOSYS). What is wrong in
    // itself fails both ways; the first failure has the better words.
    if (!isErrno(err, 'EINVAL', 'ENOSYS')) throw err;
    try {
      mountOverlayByMount(overlay);
    } catch {
      throw err;
    }
    overlayByFsconfig = false;
  }
}

// overlayfs takes backslashes out of upperdir and workdir, though not out of `lowerdir+`.
const unescapable = (path: string): string => path.replaceAll('\\', '\\\\');

function mountOverlayByFsconfig(overlay: OverlayMount): void {
  const shortener = new Shortener(FSCONFIG_STRING_MAX);
  try {
    const settings: [string, string | true][] = [
      // What mount and df show; without it "none".
      ['source', 'overlay'],
      ...overlay.lower.map((dir): [string, string] => ['lowerdir+', shortener.shorten(dir)]),
    ];
    if (overlay.upper !== undefined)
      settings.push(['upperdir', unescapable(shortener.shorten(overlay.upper))]);
    if (overlay.work !== undefined) settings.push(['workdir', unescapable(shortener.shorten(overlay.work))]);
    settings.push(...Object.entries(overlay.options ?? {}));
    mountByContext('overlay', overlay.target, settings, overlay.readOnly === true ? { readOnly: true } : {});
  } finally {
    shortener.close();
  }
}

/** The way for kernels before 6.8; exported for its test. */
export function mountOverlayByMount(overlay: OverlayMount): void {
  let shortener = new Shortener(Number.POSITIVE_INFINITY);
  try {
    let data = overlayData(overlay, shortener);
    if (Buffer.byteLength(data) > MOUNT_DATA_MAX) {
      shortener = new Shortener(0);
      data = overlayData(overlay, shortener);
    }
    if (Buffer.byteLength(data) > MOUNT_DATA_MAX) {
      throw invalidParameter(
        `overlay: ${overlay.lower.length} layers are too many for this kernel's mount(2)`,
      );
    }
    const flags = overlay.readOnly === true ? MS_RDONLY : 0;
    check('mount', mountCall('overlay', overlay.target, 'overlay', flags, data), overlay.target);
  } finally {
    shortener.close();
  }
}

function overlayData(overlay: OverlayMount, shortener: Shortener): string {
  const quote = (path: string): string => shortener.shorten(path).replace(/[\\:,]/g, '\\$&');
  const parts = [`lowerdir=${overlay.lower.map(quote).join(':')}`];
  if (overlay.upper !== undefined) parts.push(`upperdir=${quote(overlay.upper)}`);
  if (overlay.work !== undefined) parts.push(`workdir=${quote(overlay.work)}`);
  for (const [key, value] of Object.entries(overlay.options ?? {})) {
    parts.push(value === true ? key : `${key}=${value}`);
  }
  return parts.join(',');
}

/** Gives directories with long paths short ones: an open descriptor's under /proc/self/fd, until closed. */
class Shortener {
  private readonly fds: number[] = [];
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  shorten(dir: string): string {
    if (Buffer.byteLength(dir) <= this.max) return dir;
    const fd = openAt(AT_FDCWD, dir, O.PATH | O.DIRECTORY);
    this.fds.push(fd);
    return `/proc/self/fd/${fd}`;
  }

  close(): void {
    for (const fd of this.fds) closeFd(fd);
  }
}
