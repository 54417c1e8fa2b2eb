/** The service manager's socket: what a daemon tells systemd of its state (sd_notify(3), "Notes": the protocol). */
import { closeFd } from './fd.ts';
import { check, libcFunction } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

const c = {
  socket: libcFunction<[number, number, number]>('int socket(int domain, int type, int protocol)'),
  sendto: libcFunction<[number, Buffer, number, number, Buffer, number]>(
    'long sendto(int fd, const void *bytes, size_t length, int flags, const void *to, unsigned int tolen)',
  ),
};

/**
 * Sends lines such as `READY=1` to the manager's socket. Node has no datagram sockets of this family.
 * @param socket the value of `NOTIFY_SOCKET`: a path, or a name of the abstract namespace after an `@`
 * @throws SyscallError
 */
export function notifyService(socket: string, ...lines: string[]): void {
  const name = Buffer.from(socket);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX);
  name.copy(address, 2);
  if (socket.startsWith('@')) address[2] = 0;
  const message = Buffer.from(lines.join('\n'));
  const fd = check('socket', c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  try {
    check('sendto', c.sendto(fd, message, message.length, MSG_NOSIGNAL, address, address.length), socket);
  } finally {
    closeFd(fd);
  }
}
