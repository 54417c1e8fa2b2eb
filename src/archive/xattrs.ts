/** Which extended attributes go into archives. */
import { fgetxattr, flistxattr } from '../linux/index.ts';

/** Attributes that are overlayfs' own; an archive may not set them and does not get them. */
export function isOverlayXattr(key: string): boolean {
  return key.startsWith('trusted.overlay.') || key.startsWith('user.overlay.');
}

const NONE: ReadonlyMap<string, Buffer> = new Map();

/**
 * File capabilities and the user's attributes, with `trusted` those, too, of what `fd` (also an `O_PATH`) stands for;
 * not labels of this host's security module.
 */
export function archivedXattrs(fd: number, trusted: boolean): ReadonlyMap<string, Buffer> {
  const keys = flistxattr(fd);
  if (keys.length === 0) return NONE;
  const out = new Map<string, Buffer>();
  for (const key of keys.sort()) {
    const wanted =
      key === 'security.capability' || key.startsWith('user.') || (trusted && key.startsWith('trusted.'));
    if (!wanted || isOverlayXattr(key)) continue;
    const value = fgetxattr(fd, key);
    if (value !== undefined) out.set(key, value);
  }
  return out;
}
