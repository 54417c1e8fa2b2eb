/** The driver `fluentd`: the forward protocol, version 1, in forward mode (a batch of entries under one tag). */
import { randomBytes } from 'node:crypto';
import { type FluentdOptions, parseFluentdOptions } from './fluentd-options.ts';
import { DEFAULT_TAG, extraAttributes, type LogInfo, logTag } from './log-info.ts';
import { MessagePacker, type PackedString, readAck } from './msgpack.ts';
import { type LogMessage, type LogSender, timeOf } from './sender.ts';
import { StreamConnection } from './stream-connection.ts';

/** How long a server may take to acknowledge when nothing else is asked for. */
const ACK_MS = 60_000;

export class FluentdSender implements LogSender {
  readonly retry: LogSender['retry'];
  readonly lenient: boolean;
  readonly #options: FluentdOptions;
  readonly #tag: string;
  readonly #fixed: ReadonlyArray<readonly [string, PackedString]>;
  #connection: StreamConnection | undefined;

  /** @throws Error for options that do not fit */
  constructor(info: LogInfo) {
    this.#options = parseFluentdOptions(info.config);
    const { retryWait, maxRetries, async } = this.#options;
    this.retry = { delay: retryWait, ...(maxRetries === undefined ? {} : { max: maxRetries }) };
    this.lenient = async;
    this.#tag = logTag(info, DEFAULT_TAG);
    const extra = extraAttributes(info);
    this.#fixed = Object.entries({
      container_id: info.containerId,
      container_name: `/${info.containerName}`,
      ...extra,
    });
  }

  async connect(): Promise<void> {
    const { reconnectInterval, target, writeTimeout } = this.#options;
    const old = reconnectInterval > 0 && Date.now() - (this.#connection?.openedAt ?? 0) > reconnectInterval;
    if (this.#connection?.usable && !old) return;
    this.close();
    this.#connection = await StreamConnection.open(target, { writeTimeout });
  }

  async send(messages: readonly LogMessage[]): Promise<void> {
    await this.connect();
    const connection = this.#connection!;
    const chunk = this.#options.requestAck ? randomBytes(16).toString('base64') : undefined;
    const acknowledged = chunk === undefined ? undefined : this.#acknowledgement(connection, chunk);
    acknowledged?.catch(() => undefined); // the write fails before
    await connection.write(this.#format(messages, chunk));
    await acknowledged;
  }

  #format(messages: readonly LogMessage[], chunk: string | undefined): Buffer {
    const packer = new MessagePacker().list(3).string(this.#tag).list(messages.length);
    for (const message of messages) this.#addEntry(packer, message);
    packer.map(chunk === undefined ? 1 : 2);
    packer.string('size').integer(messages.length);
    if (chunk !== undefined) packer.string('chunk').string(chunk);
    return packer.finish();
  }

  #addEntry(packer: MessagePacker, message: LogMessage): void {
    const { seconds, nanoseconds } = timeOf(message);
    packer.list(2);
    if (this.#options.subSecond) packer.eventTime(seconds, nanoseconds);
    else packer.integer(seconds);
    const { partial } = message;
    const fields: (readonly [string, PackedString])[] = [
      ...this.#fixed,
      ['source', message.stream],
      ['log', message.text],
    ];
    if (partial !== undefined) {
      fields.push(
        ['partial_message', 'true'],
        ['partial_id', partial.id],
        ['partial_ordinal', String(partial.ordinal)],
        ['partial_last', String(partial.last)],
      );
    }
    packer.map(fields.length);
    for (const [key, value] of fields) packer.string(key).string(value);
  }

  #acknowledgement(connection: StreamConnection, chunk: string): Promise<void> {
    return connection.answer((said) => {
      const ack = readAck(said);
      if (ack === undefined) return false;
      if (ack !== chunk) throw new Error('the server has acknowledged another chunk');
      return true;
    }, this.#options.readTimeout || ACK_MS);
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}
