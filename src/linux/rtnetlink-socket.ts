/**
 * A netlink socket used synchronously: the kernel handles a request inside send(2), so its answers are there
 * when send returns and a blocking recv(2) does not wait (man 7 netlink).
 */
import { closeSync } from 'node:fs';
import { check, isErrno, libcFunction, SyscallError } from './libc.ts';
import { readAttributes, textOf } from './rtnetlink-message.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const EIO = 5;
const HEADER = 16;
/** More acknowledgements than this might not fit the socket's receive buffer. */
const BATCH = 64;

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const socket = libcFunction<[number, number, number]>('int socket(int domain, int type, int protocol)');
const setsockopt = libcFunction<[number, number, number, Buffer, number]>(
  'int setsockopt(int fd, int level, int name, const void *value, unsigned int length)',
);
const send = libcFunction<[number, Buffer, number, number]>(
  'long send(int fd, const void *buffer, size_t length, int flags)',
);
/** koffi's asynchronous form of `send`: on a thread of libuv's pool. */
const { async: sendOnThread } = send as unknown as {
  async: (
    fd: number,
    buffer: Buffer,
    length: number,
    flags: number,
    done: (err: unknown, sent: number) => void,
  ) => void;
};
const recv = libcFunction<[number, Buffer, number, number]>(
  'long recv(int fd, void *buffer, size_t length, int flags)',
);

/** A refused netlink request: `code` is the errno's name, `operation` says in words what was tried. */
export class NetlinkError extends SyscallError {
  readonly operation: string;
  /** The kernel's own words (NETLINK_EXT_ACK), when it gave some. */
  readonly detail: string | undefined;

  constructor(operation: string, errno: number, detail?: string) {
    super('netlink', errno, operation);
    this.name = 'NetlinkError';
    this.operation = operation;
    this.detail = detail;
    if (detail !== undefined) this.message += ` (${detail})`;
  }
}

/** A request as a value, so that several can go in one send. */
export interface NetlinkRequest {
  type: number;
  /** NLM_F_* besides REQUEST, ACK and DUMP, which the socket adds. */
  flags: number;
  payload: Buffer;
  /** What it does, in words, for the error: `add address 10.0.0.2/24`. */
  operation: string;
}

/** A message of an answer, without its header. */
export interface NetlinkMessage {
  type: number;
  payload: Buffer;
}

// Dumps come in pieces of up to 32 KiB (man 7 netlink); shared, since nothing here is reentrant.
const receiveBuffer = Buffer.alloc(65536);

const align = (length: number): number => (length + 3) & ~3;

export class NetlinkSocket {
  readonly #fd: number;
  #sequence = 1;
  #open = true;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens a socket of `protocol` in the network namespace the process is in now; it stays with that namespace. */
  static open(protocol: number): NetlinkSocket {
    const fd = check('socket AF_NETLINK', socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    const one = Buffer.from([1, 0, 0, 0]);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, one, 4);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, one, 4);
    // Never needed as far as we know; a daemon that hangs for ever would be worse than an error.
    const tenSeconds = Buffer.alloc(16);
    tenSeconds.writeUInt32LE(10, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, tenSeconds, 16);
    return new NetlinkSocket(fd);
  }

  /**
   * Sends `requests`, many in one send, and waits for their acknowledgements. The kernel handles each of them
   * even when one fails; the first failure is thrown, as a {@link NetlinkError}.
   */
  run(...requests: NetlinkRequest[]): void {
    let failure: NetlinkError | undefined;
    for (let at = 0; at < requests.length; at += BATCH) {
      const batch = requests.slice(at, at + BATCH);
      const first = this.#send(batch, NLM_F_ACK);
      failure ??= this.#acknowledge(first, batch);
    }
    if (failure !== undefined) throw failure;
  }

  /**
   * Like {@link run}, but another thread waits for the kernel, where a request takes long (deleting links takes
   * tens of milliseconds). At most 64 requests. Use the socket for nothing else meanwhile.
   */
  async runOnThread(...requests: NetlinkRequest[]): Promise<void> {
    const { first, buffer } = this.#encode(requests, NLM_F_ACK);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    sendOnThread(this.#fd, buffer, buffer.length, 0, (err, sent) => (err ? reject(err) : resolve(sent)));
    // The errno stays on the other thread; a socket that is open and a message that fits do not fail.
    if ((await promise) !== buffer.length) throw new NetlinkError(requests[0]?.operation ?? 'send', EIO);
    const failure = this.#acknowledge(first, requests);
    if (failure !== undefined) throw failure;
  }

  /** Sends a request that is answered by one message; undefined when the kernel knows no such thing. */
  get(request: NetlinkRequest): NetlinkMessage | undefined {
    const sequence = this.#send([request], 0);
    for (;;) {
      for (const message of this.#receive(sequence, 1)) {
        if (message.type !== NLMSG_ERROR) return message;
        const failure = errorOf(message, request.operation);
        if (failure === undefined || isErrno(failure, 'ENODEV', 'ENOENT')) return undefined;
        throw failure;
      }
    }
  }

  /** Asks for all of something. A list that changed while it was read is read again. */
  dump(request: NetlinkRequest): NetlinkMessage[] {
    for (let attempt = 1; ; attempt++) {
      const sequence = this.#send([request], NLM_F_DUMP);
      const messages: NetlinkMessage[] = [];
      let done = false;
      let interrupted = false;
      while (!done) {
        for (const message of this.#receive(sequence, 1)) {
          if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
          if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
            const failure = errorOf(message, request.operation);
            if (failure !== undefined) throw failure;
            done = true;
          } else {
            messages.push({ type: message.type, payload: Buffer.from(message.payload) });
          }
        }
      }
      if (!interrupted || attempt === 5) return messages;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  /** Reads the acknowledgements of `requests`, numbered from `first`; returns the first failure. */
  #acknowledge(first: number, requests: readonly NetlinkRequest[]): NetlinkError | undefined {
    let failure: NetlinkError | undefined;
    for (let acknowledged = 0; acknowledged < requests.length; ) {
      for (const message of this.#receive(first, requests.length)) {
        if (message.type !== NLMSG_ERROR) continue;
        acknowledged++;
        failure ??= errorOf(message, requests[message.sequence - first]!.operation);
      }
    }
    return failure;
  }

  #send(requests: readonly NetlinkRequest[], flags: number): number {
    const { first, buffer } = this.#encode(requests, flags);
    check('netlink send', send(this.#fd, buffer, buffer.length, 0), requests[0]?.operation);
    return first;
  }

  #encode(requests: readonly NetlinkRequest[], flags: number): { first: number; buffer: Buffer } {
    const size = requests.reduce((sum, { payload }) => sum + HEADER + align(payload.length), 0);
    const buffer = Buffer.alloc(size);
    const first = this.#sequence;
    let at = 0;
    for (const request of requests) {
      buffer.writeUInt32LE(HEADER + request.payload.length, at);
      buffer.writeUInt16LE(request.type, at + 4);
      buffer.writeUInt16LE(request.flags | flags | NLM_F_REQUEST, at + 6);
      buffer.writeUInt32LE(this.#sequence++, at + 8);
      buffer.set(request.payload, at + HEADER);
      at += HEADER + align(request.payload.length);
    }
    return { first, buffer };
  }

  /** One recv: its messages that answer the requests numbered from `first`. Payloads are valid until the next recv. */
  *#receive(first: number, count: number): Generator<NetlinkMessage & { sequence: number; flags: number }> {
    let received = -1;
    while (received === -1) {
      received = recv(this.#fd, receiveBuffer, receiveBuffer.length, 0);
      if (received === -1) {
        try {
          check('netlink recv', received);
        } catch (err) {
          if (!isErrno(err, 'EINTR')) throw err;
        }
      }
    }
    for (let at = 0; at + HEADER <= received; ) {
      const length = receiveBuffer.readUInt32LE(at);
      if (length < HEADER || at + length > received) return;
      const sequence = receiveBuffer.readUInt32LE(at + 8);
      if (sequence >= first && sequence < first + count) {
        yield {
          type: receiveBuffer.readUInt16LE(at + 4),
          flags: receiveBuffer.readUInt16LE(at + 6),
          sequence,
          payload: receiveBuffer.subarray(at + HEADER, at + length),
        };
      }
      at += align(length);
    }
  }
}

/** The failure that an NLMSG_ERROR (or NLMSG_DONE) message reports; undefined when it reports success. */
function errorOf(message: NetlinkMessage & { flags: number }, operation: string): NetlinkError | undefined {
  const errno = message.payload.length >= 4 ? -message.payload.readInt32LE(0) : 0;
  if (errno <= 0) return undefined;
  // After the errno comes the request's header (without its payload: NETLINK_CAP_ACK), then attributes.
  const detail =
    message.type === NLMSG_ERROR && (message.flags & NLM_F_ACK_TLVS) !== 0
      ? textOf(readAttributes(message.payload, 4 + HEADER).get(NLMSGERR_ATTR_MSG))
      : undefined;
  return new NetlinkError(operation, errno, detail === '' ? undefined : detail);
}
