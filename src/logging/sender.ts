/**
 * How messages of containers get to a log server.
 *
 * A **sender** makes messages into what a server understands, and transports them. It promises what its protocol can: with TCP
 * and unix streams a message counts as sent when the other side's kernel has acknowledged it (fluentd with request-ack: the server
 * itself), with datagrams when it has left. A {@link LogForwarder} repeats what was not sent, so that a message may come twice but not never.
 */

/** Of a line longer than 16 KiB: which piece of it this is. */
export interface PartialLine {
  id: string;
  /** From 1. */
  ordinal: number;
  last: boolean;
}

/** A line of a container's output, or a piece of a long one. */
export interface LogMessage {
  stream: 'stdout' | 'stderr';
  /** RFC 3339 in UTC with nine digits of the second. */
  time: string;
  /** Without the line feed. */
  text: Buffer;
  partial?: PartialLine;
}

export interface LogSender {
  /** Milliseconds before a first further try, and how many there are (undefined: as many as it takes). */
  readonly retry: { delay: number; max?: number };
  /** The container may start although the server cannot be reached. */
  readonly lenient: boolean;
  /** @throws Error in Go's words: the server cannot be reached */
  connect(): Promise<void>;
  /** Sends all; connects first when it must. @throws Error: some may have been sent */
  send(messages: readonly LogMessage[]): Promise<void>;
  close(): void;
}

/** Nanoseconds since 1970 of a message's time. */
export function timeOf({ time }: LogMessage): { seconds: number; nanoseconds: number } {
  return { seconds: Date.parse(`${time.slice(0, 19)}Z`) / 1000, nanoseconds: Number(time.slice(20, 29)) };
}
