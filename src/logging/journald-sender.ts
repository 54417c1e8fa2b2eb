/** The driver `journald`: the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { DatagramTransport } from './datagram-transport.ts';
import { DEFAULT_TAG, extraAttributes, type LogInfo, logTag } from './log-info.ts';
import type { LogMessage, LogSender } from './sender.ts';

export const JOURNAL_SOCKET = '/run/systemd/journal/socket';
const ERROR = '3';
const INFORMATIONAL = '6';
const SHORT_ID = 12;
const FEED = 0x0a;

/** As the journal wants names of fields: capitals, digits and underscores, none of these first. */
function fieldName(key: string): string {
  return key
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .replace(/^_+/, '');
}

export class JournaldSender implements LogSender {
  readonly retry = { delay: 200 };
  readonly lenient = false;
  readonly #fixed: Buffer;
  #ordinal = 0;
  #transport: DatagramTransport | undefined;

  /** @throws Error for options that do not fit */
  constructor(info: LogInfo) {
    const tag = logTag(info, DEFAULT_TAG);
    const fields = Object.entries({
      CONTAINER_ID: info.containerId.slice(0, SHORT_ID),
      CONTAINER_ID_FULL: info.containerId,
      CONTAINER_NAME: info.containerName,
      CONTAINER_TAG: tag,
      IMAGE_NAME: info.imageName,
      SYSLOG_IDENTIFIER: tag,
      CONTAINER_LOG_EPOCH: randomBytes(32).toString('hex'),
      ...extraAttributes(info, fieldName),
    });
    this.#fixed = Buffer.concat(fields.map(([key, value]) => field(key, Buffer.from(value))));
  }

  async connect(): Promise<void> {
    if (this.#transport?.usable) return;
    if (!existsSync(JOURNAL_SOCKET)) throw new Error('journald is not enabled on this host');
    this.#transport = DatagramTransport.open(JOURNAL_SOCKET);
  }

  async send(messages: readonly LogMessage[]): Promise<void> {
    await this.connect();
    await this.#transport?.send(messages.map((message) => this.#format(message)));
  }

  #format({ stream, time, text, partial }: LogMessage): Buffer {
    const fields: Record<string, string> = {
      PRIORITY: stream === 'stderr' ? ERROR : INFORMATIONAL,
      SYSLOG_TIMESTAMP: time,
      CONTAINER_LOG_ORDINAL: String(++this.#ordinal),
    };
    if (partial !== undefined) {
      fields.CONTAINER_PARTIAL_ID = partial.id;
      fields.CONTAINER_PARTIAL_ORDINAL = String(partial.ordinal);
      fields.CONTAINER_PARTIAL_LAST = String(partial.last);
      if (!partial.last) fields.CONTAINER_PARTIAL_MESSAGE = 'true';
    }
    return Buffer.concat([
      this.#fixed,
      ...Object.entries(fields).map(([key, value]) => field(key, Buffer.from(value))),
      field('MESSAGE', text),
    ]);
  }

  close(): void {
    this.#transport?.close();
    this.#transport = undefined;
  }
}

/** `KEY=value`, or with its length where the value has a line feed. */
function field(key: string, value: Buffer): Buffer {
  if (!value.includes(FEED)) return Buffer.concat([Buffer.from(`${key}=`), value, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${key}\n`), length, value, Buffer.from('\n')]);
}
