/** Files and pipes that commands read archives from and write them to. */

import { createReadStream, fstatSync, renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CliError, messageOf } from '../errors.ts';
import type { Output } from '../output.ts';

/** Go's words for a failed file operation. */
export function fileError(operation: string, path: string, err: unknown): CliError {
  const { code } = err as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'is a directory',
    ENOTDIR: 'not a directory',
    ENOSPC: 'no space left on device',
    EEXIST: 'file exists',
  };
  return new CliError(`${operation} ${path}: ${reasons[code ?? ''] ?? messageOf(err)}`, { cause: err });
}

/** Reads a file, or standard input for `-`. */
export async function* readFileOrStdin(path: string): AsyncGenerator<Buffer> {
  if (path === '-') {
    for await (const chunk of process.stdin) yield chunk as Buffer;
    return;
  }
  for await (const chunk of createReadStream(path, { highWaterMark: 256 << 10 })) yield chunk as Buffer;
}

/** Says early that a file cannot be read. */
export async function checkReadable(path: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    fstatSync(handle.fd);
  } catch (err) {
    throw fileError('open', path, err);
  } finally {
    await handle?.close();
  }
}

/** Writes a body to standard output, or to a file by way of a temporary one, so that a failure leaves nothing half. */
export async function writeArchive(body: AsyncIterable<Buffer>, path: string, out: Output): Promise<void> {
  if (path === '') {
    for await (const chunk of body) out.write(chunk);
    return;
  }
  const temporary = `${path}.wharf-${process.pid}`;
  let handle: FileHandle;
  try {
    handle = await open(temporary, 'wx', 0o600);
  } catch (err) {
    throw fileError('open', path, err);
  }
  try {
    for await (const chunk of body) await handle.writeFile(chunk);
    await handle.close();
    renameSync(temporary, path);
  } catch (err) {
    await handle.close().catch(() => {});
    rmSync(temporary, { force: true });
    throw err;
  }
}

/** Checks a path given with `-o` before anything is asked of the daemon. @param failure how the message begins */
export function checkOutputPath(path: string, failure: string): void {
  const fail = (reason: string): never => {
    throw new CliError(`${failure}: ${reason}`);
  };
  const directory = dirname(path);
  const parent = statSync(directory, { throwIfNoEntry: false });
  if (!parent) fail(`invalid output path: stat ${directory}: no such file or directory`);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) fail('cannot write to a directory');
  if (stat?.isCharacterDevice()) fail('cannot write to a character device file');
  if (stat?.isBlockDevice()) fail('cannot write to a block device file');
  if (stat && !stat.isFile()) fail('cannot write to what is not a regular file');
}
