/** Unix datagram sockets, which Node has not: for `/dev/log` and journald. And what a stream socket has still to deliver. */
import type { Socket } from 'node:net';
import { closeFd } from './fd.ts';
import { check, lastErrno, libcFunction, SyscallError } from './libc.ts';
import { unixAddress } from './unix-socket.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EAGAIN = 11;
const ENOBUFS = 105;
/** asm-generic/ioctls.h: bytes written that the peer has not acknowledged (man 7 tcp), or not read (unix). */
const SIOCOUTQ = 0x5411;

const c = {
  socket: libcFunction<[number, number, number]>('int socket(int domain, int type, int protocol)'),
  connect: libcFunction<[number, Buffer, number]>('int connect(int fd, const void *addr, unsigned int len)'),
  send: libcFunction<[number, Buffer, number, number], number>(
    'long send(int fd, const void *buf, size_t len, int flags)',
  ),
  ioctl: libcFunction<[number, number, Buffer]>('int ioctl(int fd, unsigned long request, void *arg)'),
};

/** A datagram socket connected to the one at `path`. The descriptor is close-on-exec, non-blocking, and yours. @throws SyscallError */
export function connectUnixDatagram(path: string): number {
  const fd = check('socket', c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  try {
    const address = unixAddress(path);
    check('connect', c.connect(fd, address, address.length), path);
    return fd;
  } catch (err) {
    closeFd(fd);
    throw err;
  }
}

/** Sends one datagram. @returns false when the receiver has no room now @throws SyscallError: `EMSGSIZE`, `ECONNREFUSED`, … */
export function sendDatagram(fd: number, bytes: Buffer): boolean {
  if (c.send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
  const errno = lastErrno();
  if (errno === EAGAIN || errno === ENOBUFS) return false;
  throw new SyscallError('send', errno);
}

/**
 * Bytes that the kernel has taken of a stream socket (TCP, also under TLS, or unix) and that the other side has not acknowledged.
 * 0 also where Node does not tell the descriptor.
 */
export function unacknowledged(socket: Socket): number {
  const fd = (socket as unknown as { _handle?: { fd?: unknown } | null })._handle?.fd;
  if (typeof fd !== 'number' || fd < 0) return 0;
  const out = Buffer.alloc(4);
  return c.ioctl(fd, SIOCOUTQ, out) === -1 ? 0 : out.readInt32LE(0);
}
