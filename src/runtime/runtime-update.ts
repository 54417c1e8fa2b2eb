import { rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { closeFd, O, openAt, posixSpawn, waitForExit } from '../linux/index.ts';
import type { RuntimeContainer } from './runtime-delete.ts';
import { RuntimeError } from './runtime-error.ts';
import type { SpecResources } from './spec-types.ts';

/**
 * Changes a running container's limits by its runtime (`update --resources`): for those whose limits are not the files
 * of a cgroup alone, such as systemd's units and virtual machines.
 * @param directory for two files that are gone when it settles
 * @throws RuntimeError with what the runtime says
 */
export async function updateByRuntime(
  c: RuntimeContainer,
  resources: Omit<SpecResources, 'devices'>,
  directory: string,
): Promise<void> {
  const input = join(directory, 'update.json');
  const report = join(directory, 'update.log');
  try {
    writeFileSync(input, JSON.stringify(resources), { mode: 0o600 });
    const fd = openAt(-100, report, O.WRONLY | O.CREAT | O.TRUNC, 0o600);
    let pid: number;
    try {
      pid = posixSpawn({
        path: c.runtimePath,
        argv: [
          ...[basename(c.runtimePath), '--root', c.runtimeRoot, ...(c.runtimeArgs ?? [])],
          ...['update', '--resources', input, c.id],
        ],
        fds: [
          { from: fd, to: 1 },
          { from: fd, to: 2 },
        ],
      });
    } finally {
      closeFd(fd);
    }
    const { code, signal } = await waitForExit(pid);
    if (code === 0) return;
    const said = (await readFile(report, 'utf8')).trim();
    throw new RuntimeError(said || `the runtime's update ended with ${signal ? `signal ${signal}` : code}`);
  } finally {
    rmSync(input, { force: true });
    rmSync(report, { force: true });
  }
}
