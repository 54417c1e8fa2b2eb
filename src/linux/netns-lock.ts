/**
 * A lock that one process of a network namespace holds: a name bound in the abstract unix socket namespace, which
 * is per network namespace and freed by the kernel when its holder dies, however it dies (man 7 unix).
 */
import { closeSync } from 'node:fs';
import { invalidParameter } from '../errdefs/index.ts';
import { check, libcFunction } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** sun_path, less the leading NUL that makes a name abstract. */
const NAME_MAX = 107;

const c = {
  socket: libcFunction<[number, number, number]>('int socket(int domain, int type, int protocol)'),
  bind: libcFunction<[number, Buffer, number]>('int bind(int fd, const void *address, unsigned int length)'),
};

/** Takes the lock `name`; close the descriptor to give it back. Throws SyscallError EADDRINUSE when it is taken. */
export function lockInNetns(name: string): number {
  const bytes = Buffer.from(name);
  if (bytes.length === 0 || bytes.length > NAME_MAX) throw invalidParameter(`invalid lock name: ${name}`);
  const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0, 0), bytes]);
  const fd = check('socket', c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  try {
    check('bind', c.bind(fd, address, address.length), `@${name}`);
    return fd;
  } catch (err) {
    closeSync(fd);
    throw err;
  }
}
