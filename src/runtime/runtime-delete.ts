import { basename } from 'node:path';
import { posixSpawn, waitForExit } from '../linux/index.ts';

/** An OCI runtime and one of its containers. */
export interface RuntimeContainer {
  id: string;
  runtimePath: string;
  runtimeRoot: string;
  runtimeArgs?: readonly string[];
}

/**
 * Ends a container without its shim: its processes are killed, the runtime's state and the cgroup removed (`delete
 * --force`). Resolves to whether the runtime did so; a container it does not know is none of its failures.
 * @throws SyscallError when the runtime cannot be run
 */
export async function deleteRuntimeState(c: RuntimeContainer): Promise<boolean> {
  const argv = [basename(c.runtimePath), '--root', c.runtimeRoot, ...(c.runtimeArgs ?? [])];
  const pid = posixSpawn({ path: c.runtimePath, argv: [...argv, 'delete', '--force', c.id] });
  return (await waitForExit(pid)).code === 0;
}
