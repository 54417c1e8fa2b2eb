/** What goes into the machine: Wharf's package as built from here, a stock client, an image to run. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage } from '../../library/build.ts';
import { run } from '../../library/run.ts';
import { buildPackage } from '../../scripts/package.ts';
import { clientPath } from '../harness/clients.ts';

/** Where the machine finds it. */
export const PAYLOAD = '/opt/payload';

/** Makes the payload at `output`: a tar archive as a disk. */
export async function makePayload(output: string): Promise<void> {
  const tree = mkdtempSync(join(tmpdir(), 'wharf-payload-'));
  try {
    buildPackage(join(tree, 'wharf.deb'), { fast: true });
    mkdirSync(join(tree, 'bin'));
    cpSync(clientPath(existsDocker28() ? 'docker-28' : 'docker-20'), join(tree, 'bin/docker'));
    cpSync((await buildImage('busybox')).path, join(tree, 'busybox.tar'));
    // A disk has whole sectors.
    await run('tar', ['-b', '2048', '-cf', output, '-C', tree, '.']);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

function existsDocker28(): boolean {
  try {
    return existsSync(clientPath('docker-28'));
  } catch {
    return false;
  }
}
