/** `--sysctl`: which kernel parameters belong to a container's namespaces (man 5 proc, runc's rules and words). */
import { invalidParameter } from '../errdefs/index.ts';

/** Parameters of the IPC namespace (man 7 ipc_namespaces). */
const IPC = new Set([
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
]);

/** Modes of HostConfig: `host` has no namespace of the container's. */
export interface SysctlModes {
  NetworkMode?: string | null | undefined;
  IpcMode?: string | null | undefined;
  UTSMode?: string | null | undefined;
}

/** `net/ipv4/conf/eth0.1/forwarding` is the other way of writing it; which is meant, the first separator tells. */
function dotted(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === '/' ? name.replace(/[./]/g, (sign) => (sign === '/' ? '.' : '/')) : name;
}

/**
 * Refuses what would change the machine.
 * @throws InvalidParameter in runc's words
 */
export function checkSysctls(sysctls: Readonly<Record<string, string>>, modes: SysctlModes): void {
  for (const given of Object.keys(sysctls)) {
    const problem = problemOf(dotted(given), modes);
    if (problem !== undefined) throw invalidParameter(`sysctl ${JSON.stringify(given)} ${problem}`);
  }
}

function problemOf(name: string, { NetworkMode, IpcMode, UTSMode }: SysctlModes): string | undefined {
  if (name.startsWith('net.')) {
    return NetworkMode === 'host' ? 'not allowed in host network namespace' : undefined;
  }
  if (IPC.has(name) || name.startsWith('fs.mqueue.')) {
    return IpcMode === 'host' ? 'is not allowed in the hosts ipc namespace' : undefined;
  }
  if (name === 'kernel.hostname') return 'is not allowed as it conflicts with the OCI "hostname" field';
  if (name === 'kernel.domainname' && UTSMode !== 'host') return undefined;
  return 'is not in a separate kernel namespace';
}
