/** One daemon per data root and per exec root: two would sweep each other's containers away as strays. */
import { closeSync, ftruncateSync, mkdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { conflict } from '../errdefs/index.ts';
import { lockFile } from '../linux/index.ts';

/** How long a daemon that is on its way out may take. */
const WAIT_MS = 1000;
const POLL_MS = 50;

/**
 * Claims both directories, making them where they are missing. @returns how to give them back, which death does as well
 * @throws Conflict that names the process that has one of them
 */
export function claimRoots({ dataRoot, execRoot }: { dataRoot: string; execRoot: string }): () => void {
  const locks: number[] = [];
  const release = (): void => {
    for (const fd of locks.splice(0)) closeSync(fd);
  };
  try {
    mkdirSync(dataRoot, { recursive: true, mode: 0o710 });
    mkdirSync(execRoot, { recursive: true, mode: 0o711 });
    for (const [flag, root] of Object.entries({ 'data-root': dataRoot, 'exec-root': execRoot })) {
      locks.push(claim(flag, root));
      if (execRoot === dataRoot) break;
    }
    return release;
  } catch (err) {
    release();
    throw err;
  }
}

function claim(flag: string, root: string): number {
  const path = join(root, 'wharfd.lock');
  for (const deadline = Date.now() + WAIT_MS; ; ) {
    const fd = lockFile(path);
    if (fd !== undefined) {
      ftruncateSync(fd);
      writeSync(fd, `${process.pid}\n`, 0);
      return fd;
    }
    if (Date.now() > deadline) {
      const pid = readFileSync(path, 'utf8').trim();
      throw conflict(`another wharfd${pid ? ` (process ${pid})` : ''} uses ${root}`, {
        hint: `Stop that one, or give this one another --${flag}`,
      });
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}
