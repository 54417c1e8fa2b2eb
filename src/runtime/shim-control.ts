/** A control connection to a shim: numbered requests, events. */
import type { Socket } from 'node:net';
import { system } from '../errdefs/index.ts';
import { type Answer, answerError, type ControlMessage, parseControl } from './shim-messages.ts';

interface Waiting {
  resolve(answer: Answer): void;
  reject(err: Error): void;
}

export class ControlConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #rest = '';
  #closed = false;

  /** `onEvent` gets what is not a reply, `onClose` is called once when the connection has ended. */
  constructor(socket: Socket, onEvent: (message: ControlMessage) => void, onClose: () => void) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text, onEvent));
    socket.on('error', () => {}); // 'close' follows
    socket.once('close', () => {
      this.#closed = true;
      onClose();
      for (const { reject } of this.#waiting.values())
        reject(system('the shim has died', { code: 'shim_gone' }));
      this.#waiting.clear();
    });
  }

  /** Sends a command without waiting for an answer. */
  send(...words: (string | number)[]): void {
    if (!this.#closed) this.#socket.write(`${this.#next++}\t${words.join('\t')}\n`);
  }

  /** @throws the error the shim answers with; `shim_gone` when it does not answer any more */
  call(...words: (string | number)[]): Promise<Answer> {
    if (this.#closed) return Promise.reject(system('the shim has died', { code: 'shim_gone' }));
    return new Promise((resolve, reject) => {
      this.#waiting.set(this.#next, { resolve, reject });
      this.send(...words);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string, onEvent: (message: ControlMessage) => void): void {
    this.#rest += text;
    for (let feed = this.#rest.indexOf('\n'); feed !== -1; feed = this.#rest.indexOf('\n')) {
      const line = this.#rest.slice(0, feed);
      this.#rest = this.#rest.slice(feed + 1);
      let message: ControlMessage;
      try {
        message = parseControl(line);
      } catch {
        continue; // a newer shim may say more than we know
      }
      if (message.type === 'reply') this.#settle(message.seq, message);
      else onEvent(message);
    }
  }

  #settle(seq: number, answer: Answer): void {
    const waiting = this.#waiting.get(seq);
    this.#waiting.delete(seq);
    const err = answerError(answer);
    if (err === undefined) waiting?.resolve(answer);
    else waiting?.reject(err);
  }
}
