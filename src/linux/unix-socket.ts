/** Unix stream sockets made by system calls, as descriptors to hand to a child or to Node (`new net.Socket({fd})`). */
import { basename, dirname } from 'node:path';
import { AT_FDCWD, closeFd, O, openAt } from './fd.ts';
import { check, libcFunction, SyscallError } from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** `sun_path` without its NUL. */
const SUN_PATH_MAX = 107;
const ENAMETOOLONG = 36;

const c = {
  socket: libcFunction<[number, number, number]>('int socket(int domain, int type, int protocol)'),
  socketpair: libcFunction<[number, number, number, Buffer]>(
    'int socketpair(int domain, int type, int protocol, int *sv)',
  ),
  bind: libcFunction<[number, Buffer, number]>('int bind(int fd, const void *addr, unsigned int len)'),
  connect: libcFunction<[number, Buffer, number]>('int connect(int fd, const void *addr, unsigned int len)'),
  listen: libcFunction<[number, number]>('int listen(int fd, int backlog)'),
};

/** Calls `fn` with the address of `path`; a long path goes by its directory's descriptor. */
function withAddress<T>(path: string, fn: (address: Buffer) => T): T {
  if (Buffer.byteLength(path) <= SUN_PATH_MAX) return fn(unixAddress(path));
  const dirfd = openAt(AT_FDCWD, dirname(path), O.PATH | O.DIRECTORY);
  try {
    const short = `/proc/self/fd/${dirfd}/${basename(path)}`;
    if (Buffer.byteLength(short) > SUN_PATH_MAX) throw new SyscallError('bind', ENAMETOOLONG, path);
    return fn(unixAddress(short));
  } finally {
    closeFd(dirfd);
  }
}

/** struct sockaddr_un (man 7 unix) of a path of at most 107 bytes. */
export function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  const out = Buffer.alloc(2 + bytes.length + 1);
  out.writeUInt16LE(AF_UNIX);
  bytes.copy(out, 2);
  return out;
}

/**
 * A listening stream socket at `path` (of any length): close-on-exec and non-blocking. The file must not exist
 * (`EADDRINUSE`); its mode follows the umask. The descriptor is yours.
 */
export function listenUnix(path: string, backlog = 128): number {
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check('socket', c.socket(AF_UNIX, type, 0));
  try {
    withAddress(path, (addr) => check('bind', c.bind(fd, addr, addr.length), path));
    check('listen', c.listen(fd, backlog), path);
    return fd;
  } catch (err) {
    closeFd(fd);
    throw err;
  }
}

/**
 * Connects to the stream socket at `path` (of any length), at once: a unix socket's connect does not wait, unless the
 * backlog is full (`EAGAIN`). The descriptor is close-on-exec and non-blocking, and yours.
 */
export function connectUnix(path: string): number {
  const type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check('socket', c.socket(AF_UNIX, type, 0));
  try {
    withAddress(path, (addr) => check('connect', c.connect(fd, addr, addr.length), path));
    return fd;
  } catch (err) {
    closeFd(fd);
    throw err;
  }
}

/** socketpair(2): two connected stream sockets, close-on-exec, blocking unless asked. */
export function socketPair(options: { nonBlocking?: boolean } = {}): [number, number] {
  const out = Buffer.alloc(8);
  const type = SOCK_STREAM | SOCK_CLOEXEC | (options.nonBlocking === true ? SOCK_NONBLOCK : 0);
  check('socketpair', c.socketpair(AF_UNIX, type, 0, out));
  return [out.readInt32LE(0), out.readInt32LE(4)];
}
