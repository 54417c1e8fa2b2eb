/** The driver `syslog`: RFC 3164 and 5424 messages over UDP, TCP, TLS or the machine's own socket. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { DatagramTransport, type MessageTransport, UdpTransport } from './datagram-transport.ts';
import { DEFAULT_TAG, type LogInfo, logTag } from './log-info.ts';
import type { LogMessage, LogSender } from './sender.ts';
import { StreamConnection, type StreamTarget } from './stream-connection.ts';
import { parseSyslogOptions, type SyslogOptions } from './syslog-options.ts';

/** Severities of RFC 5424, 6.2.1. */
const ERROR = 3;
const INFORMATIONAL = 6;
/** Where the machine's own socket may be. */
const LOCAL_SOCKETS = ['/dev/log', '/var/run/syslog', '/var/run/log'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const two = (n: number): string => String(n).padStart(2, '0');

/** `Nov  4 01:02:03`, local time (RFC 3164, 4.1.2). */
function stamp(time: string): string {
  const date = new Date(time);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  return `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clock}`;
}

/** RFC 3339 in local time, with the given number of digits of the second. */
function rfc3339(time: string, digits: number): string {
  const date = new Date(time);
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19);
  const fraction = digits > 0 ? `.${time.slice(20, 20 + digits)}` : '';
  const zone =
    offset === 0
      ? 'Z'
      : `${offset < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
  return `${local}${fraction}${zone}`;
}

export class SyslogSender implements LogSender {
  readonly retry = { delay: 200 };
  readonly lenient = false;
  readonly #options: SyslogOptions;
  readonly #tag: string;
  readonly #host = hostname();
  #connection: StreamConnection | MessageTransport | undefined;

  /** @throws Error for options that do not fit */
  constructor(info: LogInfo) {
    this.#options = parseSyslogOptions(info.config);
    this.#tag = logTag(info, DEFAULT_TAG);
  }

  async connect(): Promise<void> {
    if (this.#connection?.usable) return;
    this.close();
    const { target, tls } = this.#options;
    switch (target.kind) {
      case 'udp':
        this.#connection = await UdpTransport.open(target.host, target.port);
        break;
      case 'unixgram':
        this.#connection = DatagramTransport.open(target.path);
        break;
      case 'local':
        this.#connection = await openLocal();
        break;
      case 'tcp+tls': {
        const file = (path: string): Buffer | undefined => (path === '' ? undefined : readFileSync(path));
        const options = { ca: file(tls.ca), cert: file(tls.cert), key: file(tls.key) };
        this.#connection = await StreamConnection.open(
          { ...target, kind: 'tls' },
          { tls: { ...options, rejectUnauthorized: !tls.skipVerify } },
        );
        break;
      }
      default:
        this.#connection = await StreamConnection.open(target as StreamTarget, {});
    }
  }

  async send(messages: readonly LogMessage[]): Promise<void> {
    await this.connect();
    const packets = messages.filter(({ text }) => text.length > 0).map((message) => this.#format(message));
    if (this.#connection instanceof StreamConnection) await this.#connection.write(Buffer.concat(packets));
    else await this.#connection?.send(packets);
  }

  #format({ stream, time, text }: LogMessage): Buffer {
    const { facility, format, target } = this.#options;
    const priority = facility + (stream === 'stderr' ? ERROR : INFORMATIONAL);
    const tag = this.#tag;
    const end = text.at(-1) === 0x0a ? '' : '\n';
    if (format === 'rfc5424' || format === 'rfc5424micro') {
      const at = rfc3339(time, format === 'rfc5424micro' ? 6 : 0);
      const head = `<${priority}>1 ${at} ${this.#host} ${tag} ${process.pid} ${tag} - `;
      const message = Buffer.concat([Buffer.from(head), text, Buffer.from(end)]);
      // RFC 5425, 4.3: with TLS a message begins with its length.
      return target.kind === 'tcp+tls'
        ? Buffer.concat([Buffer.from(`${message.length} `), message])
        : message;
    }
    const host = format === 'rfc3164' ? `${this.#host} ` : '';
    const head = `<${priority}>${stamp(time)} ${host}${tag}[${process.pid}]: `;
    return Buffer.concat([Buffer.from(head), text, Buffer.from(end)]);
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}

async function openLocal(): Promise<StreamConnection | MessageTransport> {
  for (const path of LOCAL_SOCKETS) {
    try {
      return DatagramTransport.open(path);
    } catch {
      // the next, or a stream
    }
    try {
      return await StreamConnection.open({ kind: 'unix', path }, {});
    } catch {
      // the next
    }
  }
  throw new Error('Unix syslog delivery error');
}
