/**
 * Shows the daemon's JSON progress messages: on a terminal each id has a line that is drawn over, elsewhere
 * one line per change of status.
 */
import type { JSONMessage } from '@docker/node-sdk';
import { CliError } from '../errors.ts';
import { humanSize } from '../format/units.ts';
import type { Output } from '../output.ts';

/** A message of pull, push, load, import; JSONMessage of the SDK lacks what old daemons send. */
export type ProgressMessage = Pick<JSONMessage, 'id' | 'status'> & {
  stream?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number; start?: number; hidecounts?: boolean; units?: string };
  error?: string;
  errorDetail?: { code?: number; message?: string };
  aux?: unknown;
};

/** Parses a stream of JSON objects, one after the other with or without newlines between. */
export async function* jsonMessages(body: AsyncIterable<Buffer>): AsyncGenerator<ProgressMessage> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield parseMessage(line);
  }
  if (text.trim() !== '') yield parseMessage(text);
}

function parseMessage(line: string): ProgressMessage {
  try {
    return JSON.parse(line) as ProgressMessage;
  } catch {
    throw new CliError(`the daemon sent a malformed progress message: ${line.slice(0, 200)}`);
  }
}

/** `[====>   ]  1.2MB/3.4MB`; the bar only on terminals wide enough. */
export function progressBar(detail: NonNullable<ProgressMessage['progressDetail']>, columns: number): string {
  const { current = 0, total = 0, hidecounts, units } = detail;
  if (current <= 0 && total <= 0) return '';
  if (total <= 0) return units ? `${current} ${units}` : humanSize(current).padStart(8);
  const half = Math.min(50, Math.trunc(Math.trunc((current / total) * 100) / 2));
  const bar = columns > 110 ? `[${'='.repeat(half)}>${' '.repeat(50 - half)}] ` : '';
  if (hidecounts) return bar;
  if (units) return `${bar}${current}${current > total ? '' : `/${total}`} ${units}`;
  // A count beyond the total shows that the total was wrong.
  return current > total
    ? `${bar}${humanSize(current).padStart(8)}`
    : `${bar}${humanSize(current).padStart(8)}/${humanSize(total)}`;
}

/** Draws messages on an output. */
export class ProgressView {
  readonly #out: Output;
  readonly #terminal: boolean;
  readonly #rows = new Map<string, number>();

  constructor(out: Output) {
    this.#out = out;
    this.#terminal = out.isTerminal;
  }

  /** Shows one message. @throws CliError for an error message */
  show(message: ProgressMessage): void {
    if (message.errorDetail || message.error) {
      throw new CliError(message.errorDetail?.message || message.error || 'unknown error', {
        exitCode: message.errorDetail?.code && message.errorDetail.code < 256 ? message.errorDetail.code : 1,
      });
    }
    const { id = '', progressDetail } = message;
    const bar = progressDetail !== undefined && Object.keys(progressDetail).length > 0;
    if (!this.#terminal) {
      if (!bar && !message.progress) this.#out.write(this.#text(message));
      return;
    }
    // Messages that belong to a row carry a progressDetail, an empty one too.
    if (id === '' || (progressDetail === undefined && !message.progress)) {
      this.#rows.clear();
      this.#out.write(this.#text(message));
      return;
    }
    let row = this.#rows.get(id);
    let newRow = '';
    if (row === undefined) {
      row = this.#rows.size;
      this.#rows.set(id, row);
      newRow = '\n';
    }
    const distance = this.#rows.size - row;
    const text = this.#text(message).replace(/\n$/, '');
    this.#out.write(`${newRow}\x1b[${distance}A\x1b[2K\r${text}\r\x1b[${distance}B`);
  }

  #text({ stream, id, status = '', progress, progressDetail }: ProgressMessage): string {
    if (stream) return stream;
    const columns = this.#out.size()?.columns ?? 80;
    const shown = (progressDetail && progressBar(progressDetail, columns)) || progress || '';
    return `${id ? `${id}: ` : ''}${status}${shown ? ` ${shown}` : ''}\n`;
  }
}

/** Shows a whole stream of messages. @param onAux receives what a message carries beside its text */
export async function showProgress(
  body: AsyncIterable<Buffer>,
  out: Output | undefined,
  onAux?: (aux: unknown) => void,
): Promise<void> {
  const view = out && new ProgressView(out);
  for await (const message of jsonMessages(body)) {
    if (message.aux !== undefined && message.aux !== null) onAux?.(message.aux);
    else if (view) view.show(message);
    else if (message.errorDetail || message.error) {
      throw new CliError(message.errorDetail?.message || message.error || 'unknown error');
    }
  }
}
