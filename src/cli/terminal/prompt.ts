/** Questions on the terminal. */
import { createInterface } from 'node:readline';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';

/** Reads one line of standard input; undefined at its end. */
export async function readLine(): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  try {
    for await (const line of lines) return line;
    return undefined;
  } finally {
    lines.close();
    process.stdin.pause();
  }
}

/** Asks for a yes; anything else is a no. */
export async function confirm(cli: Cli, question: string): Promise<boolean> {
  cli.out.write(`${question} [y/N] `);
  const answer = await readLine();
  return answer?.trim().toLowerCase() === 'y' || answer?.trim().toLowerCase() === 'yes';
}

/** Asks for text that is not shown while typed. */
export function readHidden(cli: Cli, prompt: string): Promise<string> {
  cli.out.write(prompt);
  const { stdin } = process;
  stdin.setRawMode(true);
  return new Promise((resolve, reject) => {
    let text = '';
    const end = (): void => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      cli.out.line();
    };
    const onData = (chunk: Buffer): void => {
      for (const character of chunk.toString('utf8')) {
        if (character === '\r' || character === '\n') {
          end();
          resolve(text);
          return;
        }
        if (character === '\x03' || (character === '\x04' && text === '')) {
          end();
          reject(new CliError('', { exitCode: 130 }));
          return;
        }
        if (character === '\x7f' || character === '\b') text = [...text].slice(0, -1).join('');
        else text += character;
      }
    };
    stdin.on('data', onData);
  });
}
