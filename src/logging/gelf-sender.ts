/** The driver `gelf`: Graylog's format 1.1, over UDP (compressed, chunked) or TCP. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { deflateSync, gzipSync } from 'node:zlib';
import { type MessageTransport, UdpTransport } from './datagram-transport.ts';
import { type GelfOptions, parseGelfOptions } from './gelf-options.ts';
import { commandOf, DEFAULT_TAG, extraAttributes, type LogInfo, logTag } from './log-info.ts';
import { type LogMessage, type LogSender, timeOf } from './sender.ts';
import { StreamConnection } from './stream-connection.ts';

const ERROR = 3;
const INFORMATIONAL = 6;
/** What fits into one datagram on every network; a longer message goes in chunks. */
const DATAGRAM = 1420;
const CHUNK_HEAD = 12;
const MAX_CHUNKS = 128;
const NUL = Buffer.from([0]);

export class GelfSender implements LogSender {
  readonly retry: LogSender['retry'];
  readonly lenient = false;
  readonly #options: GelfOptions;
  readonly #extra: Readonly<Record<string, unknown>>;
  readonly #host = hostname();
  #connection: StreamConnection | MessageTransport | undefined;

  /** @throws Error for options that do not fit */
  constructor(info: LogInfo) {
    this.#options = parseGelfOptions(info.config);
    const { maxReconnect, reconnectDelay } = this.#options;
    this.retry = { delay: reconnectDelay, ...(maxReconnect === undefined ? {} : { max: maxReconnect }) };
    this.#extra = {
      _container_id: info.containerId,
      _container_name: info.containerName,
      _image_id: info.imageId,
      _image_name: info.imageName,
      _command: commandOf(info),
      _tag: logTag(info, DEFAULT_TAG),
      _created: info.created,
      ...extraAttributes(info, (key) => (key.startsWith('_') ? key : `_${key}`)),
    };
  }

  async connect(): Promise<void> {
    if (this.#connection?.usable) return;
    this.close();
    const { protocol, host, port } = this.#options;
    try {
      this.#connection =
        protocol === 'udp'
          ? await UdpTransport.open(host, port)
          : await StreamConnection.open({ kind: 'tcp', host, port }, {});
    } catch (err) {
      const reason = err instanceof Error ? err.message : String(err);
      throw new Error(`gelf: cannot connect to GELF endpoint: ${host}:${port} ${reason}`, { cause: err });
    }
  }

  async send(messages: readonly LogMessage[]): Promise<void> {
    await this.connect();
    const documents = messages.filter(({ text }) => text.length > 0).map((message) => this.#format(message));
    if (this.#connection instanceof StreamConnection) {
      await this.#connection.write(Buffer.concat(documents.flatMap((document) => [document, NUL])));
    } else await this.#connection?.send(documents.flatMap((document) => this.#datagrams(document)));
  }

  #format(message: LogMessage): Buffer {
    const { stream, text, partial } = message;
    const { seconds, nanoseconds } = timeOf(message);
    const document = {
      version: '1.1',
      host: this.#host,
      short_message: text.toString(),
      timestamp: seconds + Math.trunc(nanoseconds / 1e6) / 1000,
      level: stream === 'stderr' ? ERROR : INFORMATIONAL,
      ...this.#extra,
      ...(partial && {
        _partial_message: 'true',
        _partial_id: partial.id,
        _partial_ordinal: String(partial.ordinal),
        _partial_last: String(partial.last),
      }),
    };
    return Buffer.from(JSON.stringify(document));
  }

  #datagrams(document: Buffer): Buffer[] {
    const { compression, level } = this.#options;
    const packed =
      compression === 'gzip'
        ? gzipSync(document, { level })
        : compression === 'zlib'
          ? deflateSync(document, { level })
          : document;
    if (packed.length <= DATAGRAM) return [packed];
    const room = DATAGRAM - CHUNK_HEAD;
    const count = Math.ceil(packed.length / room);
    // Of a format with at most 128 chunks nobody could put it together.
    if (count > MAX_CHUNKS) return [];
    const id = randomBytes(8);
    return Array.from({ length: count }, (_, i) =>
      Buffer.concat([
        Buffer.from([0x1e, 0x0f]),
        id,
        Buffer.from([i, count]),
        packed.subarray(i * room, (i + 1) * room),
      ]),
    );
  }

  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}
