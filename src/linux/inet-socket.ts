/**
 * IPv4 sockets made synchronously, in whatever network namespace the thread is in. Node's own would be opened
 * later, in the host's; these are handed to it by descriptor.
 */
import { closeSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { invalidParameter } from '../errdefs/index.ts';
import { check, libcFunction } from './libc.ts';

const AF_INET = 2;
const SOCK_TYPE = { tcp: 1, udp: 2 } as const;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;

const c = {
  socket: libcFunction<[number, number, number]>('int socket(int domain, int type, int protocol)'),
  bind: libcFunction<[number, Buffer, number]>('int bind(int fd, const void *address, unsigned int length)'),
  listen: libcFunction<[number, number]>('int listen(int fd, int backlog)'),
  setsockopt: libcFunction<[number, number, number, Buffer, number]>(
    'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
  ),
};

/** struct sockaddr_in (man 7 ip). */
function socketAddress(address: string, port: number): Buffer {
  if (!isIPv4(address)) throw invalidParameter(`invalid IPv4 address: ${JSON.stringify(address)}`);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

/**
 * Opens a non-blocking socket bound to `address:port`, listening when `backlog` is given. The caller closes it.
 * Throws SyscallError: EADDRINUSE, EADDRNOTAVAIL, EACCES.
 */
export function bindInetSocket(
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
  options: { backlog?: number; reuseAddress?: boolean } = {},
): number {
  const fd = check('socket', c.socket(AF_INET, SOCK_TYPE[protocol] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  try {
    if (options.reuseAddress === true) {
      check('setsockopt', c.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, Buffer.from([1, 0, 0, 0]), 4));
    }
    check('bind', c.bind(fd, socketAddress(address, port), 16), `${address}:${port}`);
    if (options.backlog !== undefined) check('listen', c.listen(fd, options.backlog));
    return fd;
  } catch (err) {
    closeSync(fd);
    throw err;
  }
}
