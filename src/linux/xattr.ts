/** Extended attributes (man 7 xattr) of open descriptors, also of those opened with `O_PATH`. */
import { showName } from './fd.ts';
import { check, isErrno, libcFunction } from './libc.ts';

const c = {
  set: libcFunction<[string | Buffer, string, Buffer, number, number]>(
    'int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
  ),
  lset: libcFunction<[string | Buffer, string, Buffer, number, number]>(
    'int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
  ),
  get: libcFunction<[string, string, Buffer, number]>(
    'long getxattr(const char *path, const char *name, void *value, size_t size)',
  ),
  list: libcFunction<[string, Buffer, number]>('long listxattr(const char *path, void *list, size_t size)'),
  fset: libcFunction<[number, string, Buffer, number, number]>(
    'int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)',
  ),
};

// The f*xattr calls refuse O_PATH descriptors; the magic link leads to the very inode, be it a symlink's.
const procPath = (fd: number): string => `/proc/self/fd/${fd}`;
const MAX = 65536; // XATTR_SIZE_MAX and XATTR_LIST_MAX
const buffer = Buffer.allocUnsafeSlow(MAX);

/** Sets `key` on what `fd` stands for; `fd` may be an `O_PATH`. */
export function setXattr(fd: number, key: string, value: Buffer): void {
  check('setxattr', c.set(procPath(fd), key, value, value.length, 0), key);
}

/** fsetxattr(2), for a descriptor open for reading or writing. */
export function fsetxattr(fd: number, key: string, value: Buffer): void {
  check('fsetxattr', c.fset(fd, key, value, value.length, 0), key);
}

/** lsetxattr(2) of `name` (one component) in the directory `dirfd`: one call, no descriptor needed. */
export function setXattrAt(dirfd: number, name: string | Buffer, key: string, value: Buffer): void {
  const prefix = `${procPath(dirfd)}/`;
  const path =
    typeof name === 'string' ? prefix + name : Buffer.concat([Buffer.from(prefix), name, Buffer.alloc(1)]);
  const result = c.lset(path, key, value, value.length, 0);
  if (result === -1) check('lsetxattr', result, `${showName(name)} ${key}`);
}

/** The value of `key`; undefined when it has none or the file system knows none. */
export function fgetxattr(fd: number, key: string): Buffer | undefined {
  const length = c.get(procPath(fd), key, buffer, MAX);
  if (length === -1) {
    try {
      check('getxattr', length, key);
    } catch (err) {
      if (isErrno(err, 'ENODATA', 'EOPNOTSUPP', 'ENOTSUP')) return undefined;
      throw err;
    }
  }
  return Buffer.from(buffer.subarray(0, length));
}

/** The names of all attributes. */
export function flistxattr(fd: number): string[] {
  const length = c.list(procPath(fd), buffer, MAX);
  if (length === -1) {
    try {
      check('listxattr', length);
    } catch (err) {
      if (isErrno(err, 'EOPNOTSUPP', 'ENOTSUP')) return [];
      throw err;
    }
  }
  return buffer.toString('utf8', 0, length).split('\0').slice(0, -1);
}
