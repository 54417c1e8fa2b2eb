/** Handing an open descriptor to another process over a unix socket (man 7 unix, SCM_RIGHTS). */
import koffi from 'koffi';
import { check, libcFunction } from './libc.ts';

koffi.struct('wharf_iovec', { base: 'void *', len: 'size_t' });
koffi.struct('wharf_msghdr', {
  name: 'void *',
  namelen: 'uint32_t',
  iov: 'wharf_iovec *',
  iovlen: 'size_t',
  control: 'void *',
  controllen: 'size_t',
  flags: 'int',
});

interface MessageHeader {
  name: null;
  namelen: number;
  iov: { base: Buffer; len: number };
  iovlen: number;
  control: Buffer;
  controllen: number;
  flags: number;
}

const sendmsg = libcFunction<[number, MessageHeader, number]>(
  'long sendmsg(int fd, const wharf_msghdr *message, int flags)',
);

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** struct cmsghdr (16 bytes) and one int, aligned to 8. */
const CONTROL = 24;
const CONTROL_LENGTH = 20;

/**
 * Sends one byte with the descriptor `fd` over the connected unix socket `socket`, at once. The receiver gets a
 * descriptor of its own. @throws SyscallError `EAGAIN` when the socket's buffer is full
 */
export function sendFd(socket: number, fd: number, byte = 0): void {
  const control = Buffer.alloc(CONTROL);
  control.writeBigUInt64LE(BigInt(CONTROL_LENGTH), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(fd, 16);
  const iov = { base: Buffer.from([byte]), len: 1 };
  const message = {
    name: null,
    namelen: 0,
    iov,
    iovlen: 1,
    control,
    controllen: CONTROL,
    flags: 0,
  };
  check('sendmsg', sendmsg(socket, message, MSG_DONTWAIT | MSG_NOSIGNAL));
}
