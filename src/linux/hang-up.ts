import { endianness } from 'node:os';
import { libcFunction } from './libc.ts';

const poll = libcFunction<[Buffer, number, number]>('int poll(void *fds, unsigned long nfds, int timeout)');

const POLLERR = 0x008;
const POLLHUP = 0x010;

/** struct pollfd: int fd; short events; short revents. */
const POLLFD_SIZE = 8;

/**
 * True when the peer of a socket has closed both halves (POLLHUP) or the socket has failed; false while the
 * peer can still receive. Node tells nothing once it has read the end of the peer's sending half.
 */
export function isHungUp(fd: number): boolean {
  const pollfd = Buffer.alloc(POLLFD_SIZE);
  const little = endianness() === 'LE';
  if (little) pollfd.writeInt32LE(fd, 0);
  else pollfd.writeInt32BE(fd, 0);
  if (poll(pollfd, 1, 0) <= 0) return false;
  const revents = little ? pollfd.readUInt16LE(6) : pollfd.readUInt16BE(6);
  return (revents & (POLLHUP | POLLERR)) !== 0;
}
